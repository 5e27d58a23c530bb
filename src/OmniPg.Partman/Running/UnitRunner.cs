using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Executes the units of a set: short waits for locks, again after a pause, and an error that names who holds them when that does not help.</summary>
internal sealed class UnitRunner(PartmanDatabase database, PartmanOptions options, TimeProvider time)
{
    private const int FirstPauseFraction = 100;
    private const int BriefAttempts = 3;
    private static readonly TimeSpan BriefPause = TimeSpan.FromSeconds(1);

    /// <summary>One that gives up soon: somebody waits to be told of a failure, or has ended the call, while it cleans up.</summary>
    public UnitRunner Brief() => new(
        database, new PartmanOptions { LockTimeout = options.LockTimeout, LockAttempts = Math.Min(options.LockAttempts, BriefAttempts), MaxBackoff = options.MaxBackoff < BriefPause ? options.MaxBackoff : BriefPause }, time);

    /// <summary>Executes one unit.</summary>
    /// <param name="state">The set, as the plan was made for it.</param>
    /// <param name="unit">The unit.</param>
    /// <param name="cancellationToken">Cancels the statement or the pause; the transaction is rolled back.</param>
    /// <exception cref="PartmanException">It could not be done, and nothing is changed; after an interrupted <c>DETACH CONCURRENTLY</c> the next run finishes it.</exception>
    public async Task RunAsync(SetState state, PlanUnit unit, CancellationToken cancellationToken)
    {
        var detach = unit is { IsOutside: true, Holds: not null } ? new ConcurrentDetach(state, unit, options.LockTimeout) : null;
        try
        {
            await RepeatAsync(state, unit, detach, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (detach is { IsBegun: true } || (detach is null && failure is not PartitionLockTimeoutException))
        {
            // The failure that brought us here is the one to tell.
            await SweptAsync(unit).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Whether what a statement outside of any transaction may have left is gone, or noted.</summary>
    private async Task<bool> SweptAsync(PlanUnit unit)
    {
        if (unit.WhenInterrupted.Count == 0)
            return true;
        try
        {
            var connection = await database.OpenAsync(CancellationToken.None).ConfigureAwait(false);
            await using var closing = connection.ConfigureAwait(false);
            var session = database.On(connection, CancellationToken.None);
            await session.InTransactionAsync(() => PlainAsync(session, [LockTimeoutOf(options.LockTimeout), .. unit.WhenInterrupted])).ConfigureAwait(false);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private async Task RepeatAsync(SetState state, PlanUnit unit, ConcurrentDetach? detach, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await OnceAsync(state, unit, detach, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (PostgresException error) when (Refusal.IsOfLocks(error))
            {
                PartmanTelemetry.LockTimeouts.Add(1);
                // What cannot be cleared away now is left to the next run, and not made once more.
                var isSwept = detach is not null || await SweptAsync(unit).ConfigureAwait(false);
                if (attempt == options.LockAttempts || !isSwept)
                    throw new PartitionLockTimeoutException(state.Table, unit.Kind, attempt, options.LockTimeout, await HoldersAsync(state, unit, cancellationToken).ConfigureAwait(false), error);
                await Task.Delay(Pause(attempt), time, cancellationToken).ConfigureAwait(false);
            }
            catch (NpgsqlException error)
            {
                throw Refusal.Of(error, unit.Kind, state.Table, unit.Child, database.Name, database.Role);
            }
        }
    }

    private TimeSpan Pause(int attempt)
    {
        var pause = options.MaxBackoff / FirstPauseFraction * Math.Pow(2, Math.Min(attempt - 1, 30));
#pragma warning disable CA5394 // Chance spreads the load; nobody gains by guessing it.
        return (pause < options.MaxBackoff ? pause : options.MaxBackoff) * (0.5 + (Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
    }

    private async Task OnceAsync(SetState state, PlanUnit unit, ConcurrentDetach? detach, CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        // A statement of DDL has no measure: it ends by its locks.
        var session = database.On(connection, cancellationToken).Unlimited;
        if (detach is not null)
            await detach.AttemptAsync(session).ConfigureAwait(false);
        else if (unit.IsOutside)
            await WithLockTimeoutAsync(session, options.LockTimeout, () => PlainAsync(session, unit.Statements)).ConfigureAwait(false);
        else
            await session.InTransactionAsync(() => PlainAsync(session, unit.Script(state, options.LockTimeout))).ConfigureAwait(false);
    }

    private static string LockTimeoutOf(TimeSpan timeout) => $"SET LOCAL lock_timeout = {PlanUnit.Milliseconds(timeout)}";

    // No SET LOCAL reaches a statement outside of a transaction: the setting is the session's, and is given back. The lock of the run has proven that no pooler stands between.
    private static async Task<T> WithLockTimeoutAsync<T>(PgSession session, TimeSpan timeout, Func<Task<T>> work)
    {
        await session.ScalarAsync("SELECT pg_catalog.set_config('lock_timeout', $1, false)", PgParameter.Text(PlanUnit.Milliseconds(timeout))).ConfigureAwait(false);
        try
        {
            return await work().ConfigureAwait(false);
        }
        finally
        {
            if (session.Connection.FullState == System.Data.ConnectionState.Open)
                await session.Uncancelled.ExecuteAsync("RESET lock_timeout").ConfigureAwait(false);
        }
    }

    private static Task<long> PlainAsync(PgSession session, IEnumerable<string> statements) =>
        PlainStatements.ExecuteAsync(session.Connection, statements, session.CommandTimeoutSeconds, session.CancellationToken);

    // Who holds a lock on the set, or on what the unit locks beside it, that keeps a change waiting: anybody but readers of the catalog. What is built beside readers and writers
    // waits for whoever began before, whatever he reads (WaitForOlderSnapshots, src/backend/commands/indexcmds.c).
    private async Task<IReadOnlyList<LockHolder>> HoldersAsync(SetState state, PlanUnit unit, CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        return await database.On(connection, cancellationToken).RowsAsync(
            """
            SELECT h.pid, COALESCE(max(a.query), '')
            FROM (SELECT l.pid
                  FROM pg_catalog.pg_locks l
                  WHERE l.locktype = 'relation' AND l.granted
                      AND (l.relation = ANY ($1) OR l.relation IN (SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                          AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) AND d.deptype IN ('a', 'i')))
                      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
                  UNION SELECT o.pid FROM pg_catalog.pg_stat_activity o WHERE $2 AND o.datname = current_database() AND o.backend_xmin IS NOT NULL AND COALESCE(o.xact_start < pg_catalog.clock_timestamp() - $3, true)) AS h
            LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
            WHERE h.pid <> pg_catalog.pg_backend_pid()
            GROUP BY h.pid ORDER BY h.pid
            """,
            row => new LockHolder(row.GetInt32(0), row.GetString(1)),
            PgParameter.Of(
                new[] { state.Oid }.Concat(state.Partitions.Select(p => p.Oid)).Concat(state.Default is { } rest ? [rest.Oid] : []).Concat(unit.Locked).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid),
            PgParameter.Flag(unit is { IsOutside: true, WhenInterrupted.Count: > 0, Holds: null }), PgParameter.Of(options.LockTimeout, NpgsqlDbType.Interval)).ConfigureAwait(false);
    }

    /// <summary>
    /// A <c>DETACH CONCURRENTLY</c>: two transactions of the server, outside of any of ours. What its attempts know of each other is whether the first of the two is
    /// done, and by us: a partition that somebody else is detaching at the same time is theirs, and nothing is to become of it.
    /// </summary>
    private sealed class ConcurrentDetach(SetState state, PlanUnit unit, TimeSpan lockTimeout)
    {
        // Local numbers of transactions from a question before the statement to one behind it: one for the statement that failed in its first transaction, two for
        // one that failed in its second (StartTransaction takes one each, src/backend/access/transam/xact.c).
        private const int WhenBegun = 3;

        /// <summary>Whether an attempt of this object did the first half, or a broken connection keeps it from telling.</summary>
        public bool IsBegun { get; private set; }

        public async Task AttemptAsync(PgSession session)
        {
            // A timeout between the two transactions leaves the partition half detached, and nothing but FINALIZE gets it on.
            var pending = await session.ScalarAsync(
                "SELECT i.inhdetachpending FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1 AND i.inhrelid = $2",
                PgParameter.Of(state.Oid, NpgsqlDbType.Oid), PgParameter.Of(unit.ChildOid, NpgsqlDbType.Oid)).ConfigureAwait(false) as bool?;
            if (pending is null || (pending is true && !IsBegun))
                throw new StalePlanException(state.Table, unit.Kind, $"nothing: '{unit.Child}' {(pending is null ? "was detached" : "is being detached")} by somebody else");
            await ExecuteAsync(session, (pending is true ? unit with { Holds = null } : unit).Guard(state)).ConfigureAwait(false);
            var statement = pending is true ? unit.Statements[0].Replace(" CONCURRENTLY", " FINALIZE", StringComparison.Ordinal) : unit.Statements[0];
            await WithLockTimeoutAsync(session, lockTimeout, async () =>
            {
                var before = await TransactionNumberAsync(session).ConfigureAwait(false);
                try
                {
                    return await ExecuteAsync(session, statement).ConfigureAwait(false);
                }
                catch (Exception error) when (pending is false)
                {
                    IsBegun = await BegunAsync(session, before).ConfigureAwait(false);
                    if (error is PostgresException { SqlState: PostgresErrorCodes.ObjectNotInPrerequisiteState, MessageText: var text })
                        throw new StalePlanException(state.Table, unit.Kind, $"nothing: {text}");
                    throw;
                }
            }).ConfigureAwait(false);
        }

        // Of a backend that is gone nobody learns the number; what it left is seen in the catalog, and was not there a moment before.
        private static async Task<bool> BegunAsync(PgSession session, long before)
        {
            try
            {
                return session.Connection.FullState != System.Data.ConnectionState.Open || await TransactionNumberAsync(session.Uncancelled).ConfigureAwait(false) - before >= WhenBegun;
            }
            catch (NpgsqlException)
            {
                return true;
            }
        }

        private static async Task<long> TransactionNumberAsync(PgSession session) => (long)(await session.ScalarAsync(
            "SELECT split_part(l.virtualtransaction, '/', 2)::bigint FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'virtualxid' AND l.granted").ConfigureAwait(false))!;

        private static Task<long> ExecuteAsync(PgSession session, string statement) =>
            PlainStatements.ExecuteAsync(session.Connection, [statement], session.CommandTimeoutSeconds, session.CancellationToken);
    }
}
