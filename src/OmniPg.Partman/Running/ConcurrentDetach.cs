using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// A <c>DETACH CONCURRENTLY</c>: two transactions of the server, outside of any of ours. What its attempts know of each other is whether the first of the two is
/// done, and by us: a partition that somebody else is detaching at the same time is theirs, and nothing is to become of it.
/// </summary>
internal sealed class ConcurrentDetach(SetState state, PlanUnit unit, TimeSpan lockTimeout)
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
        // No SET LOCAL reaches it: the setting is the session's, and is given back. The lock of the run has proven that no pooler stands between.
        await session.ScalarAsync("SELECT pg_catalog.set_config('lock_timeout', $1, false)", PgParameter.Text(PlanUnit.Milliseconds(lockTimeout))).ConfigureAwait(false);
        try
        {
            var before = await TransactionNumberAsync(session).ConfigureAwait(false);
            try
            {
                await ExecuteAsync(session, statement).ConfigureAwait(false);
            }
            catch (Exception error) when (pending is false)
            {
                IsBegun = await BegunAsync(session, before).ConfigureAwait(false);
                if (error is PostgresException { SqlState: PostgresErrorCodes.ObjectNotInPrerequisiteState, MessageText: var text })
                    throw new StalePlanException(state.Table, unit.Kind, $"nothing: {text}");
                throw;
            }
        }
        finally
        {
            if (session.Connection.FullState == System.Data.ConnectionState.Open)
                await session.Uncancelled.ExecuteAsync("RESET lock_timeout").ConfigureAwait(false);
        }
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
