using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Executes the units of a set: short waits for locks, again after a pause, and an error that names who holds them when that does not help.</summary>
internal sealed class UnitRunner(PartmanDatabase database, PartmanOptions options, TimeProvider time)
{
    private const int FirstPauseFraction = 100;

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
        catch when (detach is { IsBegun: true } && unit.WhenInterrupted.Count > 0)
        {
            try
            {
                var connection = await database.OpenAsync(CancellationToken.None).ConfigureAwait(false);
                await using var closing = connection.ConfigureAwait(false);
                var session = database.On(connection, CancellationToken.None);
                await session.InTransactionAsync(() => PlainAsync(session, unit.WhenInterrupted)).ConfigureAwait(false);
            }
            catch (NpgsqlException)
            {
                // The failure that brought us here is the one to tell.
            }
            throw;
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
                if (attempt == options.LockAttempts)
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
            await PlainAsync(session, unit.Statements).ConfigureAwait(false);
        else
            await session.InTransactionAsync(() => PlainAsync(session, unit.Script(state, options.LockTimeout))).ConfigureAwait(false);
    }

    private static Task<long> PlainAsync(PgSession session, IEnumerable<string> statements) =>
        PlainStatements.ExecuteAsync(session.Connection, statements, session.CommandTimeoutSeconds, session.CancellationToken);

    // Who holds a lock on the set, or on what the unit locks beside it, that keeps a change waiting: anybody but readers of the catalog.
    private async Task<IReadOnlyList<LockHolder>> HoldersAsync(SetState state, PlanUnit unit, CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        return await database.On(connection, cancellationToken).RowsAsync(
            """
            SELECT l.pid, COALESCE(max(a.query), '')
            FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
                AND (l.relation = ANY ($1) OR l.relation IN (SELECT d.objid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ($1) AND d.deptype IN ('a', 'i')))
                AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
            GROUP BY l.pid ORDER BY l.pid
            """,
            row => new LockHolder(row.GetInt32(0), row.GetString(1)),
            PgParameter.Of(
                new[] { state.Oid }.Concat(state.Partitions.Select(p => p.Oid)).Concat(state.Default is { } rest ? [rest.Oid] : []).Concat(unit.Locked).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid)).ConfigureAwait(false);
    }
}
