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
        try
        {
            await RepeatAsync(state, unit, cancellationToken).ConfigureAwait(false);
        }
        catch (PartmanException) when (unit.WhenInterrupted.Count > 0)
        {
            try
            {
                var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
                await using var closing = connection.ConfigureAwait(false);
                var session = database.On(connection, cancellationToken);
                await session.InTransactionAsync(() => PlainAsync(session, unit.WhenInterrupted)).ConfigureAwait(false);
            }
            catch (NpgsqlException)
            {
                // The failure that brought us here is the one to tell.
            }
            throw;
        }
    }

    private async Task RepeatAsync(SetState state, PlanUnit unit, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await OnceAsync(state, unit, attempt, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (PostgresException error) when (Refusal.IsOfLocks(error))
            {
                PartmanTelemetry.LockTimeouts.Add(1);
                if (attempt == options.LockAttempts)
                    throw new PartitionLockTimeoutException(state.Table, unit.Kind, attempt, options.LockTimeout, await HoldersAsync(state, cancellationToken).ConfigureAwait(false), error);
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

    private async Task OnceAsync(SetState state, PlanUnit unit, int attempt, CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        // A statement of DDL has no measure: it ends by its locks.
        var session = database.On(connection, cancellationToken).Unlimited;
        if (unit.IsOutside)
        {
            await OutsideAsync(session, state, unit, attempt).ConfigureAwait(false);
            return;
        }
        await session.InTransactionAsync(async () =>
        {
            var locking = unit.Statements.TakeWhile(s => s.StartsWith("LOCK TABLE ", StringComparison.Ordinal)).ToList();
            await PlainAsync(session, [PlanUnit.LockTimeout(options.LockTimeout), .. locking]).ConfigureAwait(false);
            await RequireSameTablesAsync(session, state, unit).ConfigureAwait(false);
            await PlainAsync(session, unit.Statements.Skip(locking.Count)).ConfigureAwait(false);
            return true;
        }).ConfigureAwait(false);
    }

    private static Task<long> PlainAsync(PgSession session, IEnumerable<string> statements) =>
        PlainStatements.ExecuteAsync(session.Connection, statements, session.CommandTimeoutSeconds, session.CancellationToken);

    /// <summary>
    /// Names were resolved when the plan was made; by now they must not mean other tables, and what goes must still be what the plan was made for: whoever
    /// detached a partition while this waited for its lock wants to keep it.
    /// </summary>
    private static async Task RequireSameTablesAsync(PgSession session, SetState state, PlanUnit unit)
    {
        List<(QualifiedName Name, uint Oid)> tables = [(state.Table, state.Oid)];
        if (unit is { Child: { } child, ChildOid: not 0 })
            tables.Add((child, unit.ChildOid));
        var changed = await session.RowsAsync(
            "SELECT t.name FROM unnest($1, $2) AS t (name, oid) WHERE pg_catalog.to_regclass(t.name)::pg_catalog.oid IS DISTINCT FROM t.oid", row => row.GetString(0),
            PgParameter.Texts(tables.Select(t => t.Name.Quoted)), PgParameter.Of(tables.Select(t => t.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid)).ConfigureAwait(false);
        if (changed is [var name, ..])
            throw new StalePlanException(state.Table, unit.Kind, $"nothing: '{name}' is gone, or another table now");
        if (unit.Holds is { } question && await session.ScalarAsync(question).ConfigureAwait(false) is not true)
            throw Overtaken(state, unit);
    }

    private static StalePlanException Overtaken(SetState state, PlanUnit unit) =>
        new(state.Table, unit.Kind, $"nothing: the partition was detached, attached or altered by somebody else");

    /// <summary>
    /// A statement outside of any transaction, which no SET LOCAL reaches: the setting is the session's, and is given back. The lock of the run has proven that
    /// no pooler stands between.
    /// </summary>
    private async Task OutsideAsync(PgSession session, SetState state, PlanUnit unit, int attempt)
    {
        var statement = unit.Statements[0];
        // A timeout between its two transactions leaves the partition half detached, and nothing but FINALIZE gets it on.
        var pending = attempt == 1 ? false : await session.ScalarAsync(
            "SELECT i.inhdetachpending FROM pg_catalog.pg_inherits i WHERE i.inhparent = $1 AND i.inhrelid = $2",
            PgParameter.Of(state.Oid, NpgsqlDbType.Oid), PgParameter.Of(unit.ChildOid, NpgsqlDbType.Oid)).ConfigureAwait(false);
        if (pending is null)
            throw Overtaken(state, unit);
        await RequireSameTablesAsync(session, state, pending is true ? unit with { Holds = null } : unit).ConfigureAwait(false);
        if (pending is true)
            statement = statement.Replace(" CONCURRENTLY", " FINALIZE", StringComparison.Ordinal);
        var milliseconds = ((long)options.LockTimeout.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        await session.ScalarAsync("SELECT pg_catalog.set_config('lock_timeout', $1, false)", PgParameter.Text(milliseconds)).ConfigureAwait(false);
        try
        {
            await PlainAsync(session, [statement]).ConfigureAwait(false);
        }
        finally
        {
            if (session.Connection.FullState == System.Data.ConnectionState.Open)
                await session.Uncancelled.ExecuteAsync("RESET lock_timeout").ConfigureAwait(false);
        }
    }

    // Who holds a lock on the set that keeps a change waiting: anybody but readers of the catalog.
    private async Task<IReadOnlyList<LockHolder>> HoldersAsync(SetState state, CancellationToken cancellationToken)
    {
        var connection = await database.OpenAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        return await database.On(connection, cancellationToken).RowsAsync(
            """
            SELECT l.pid, COALESCE(max(a.query), '')
            FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
            WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid() AND l.relation = ANY ($1)
                AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
            GROUP BY l.pid ORDER BY l.pid
            """,
            row => new LockHolder(row.GetInt32(0), row.GetString(1)),
            PgParameter.Of(
                new[] { state.Oid }.Concat(state.Partitions.Select(p => p.Oid)).Concat(state.Default is { } rest ? [rest.Oid] : []).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid)).ConfigureAwait(false);
    }
}
