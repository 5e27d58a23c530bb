using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>
/// Freezes partitions that the set has left behind, one by one, before the server's own wraparound vacuum comes to all of them at once. Nobody waits for it:
/// <c>VACUUM (FREEZE)</c> works beside readers and writers, and what is locked is left for the next time.
/// </summary>
internal sealed class Freezer(PartmanDatabase database, FreezeOptions wish, QualifiedName table)
{
    // $1 partitions: the plain tables below them, whose rows are not frozen yet.
    private const string Ages =
        """
        SELECT c.oid, n.nspname::text, c.relname::text, pg_catalog.age(c.relfrozenxid)::bigint, pg_catalog.pg_has_role(c.relowner, 'USAGE')
        FROM unnest($1) WITH ORDINALITY AS p (root, place), LATERAL pg_catalog.pg_partition_tree(p.root) t
        JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE t.isleaf AND c.relkind = 'r' AND pg_catalog.age(c.relfrozenxid) > COALESCE($2, current_setting('vacuum_freeze_min_age')::bigint)
        ORDER BY p.place, c.relname
        """;

    private sealed record Old(uint Oid, QualifiedName Name, long Age, bool IsOwned);

    public async Task<SqlPlan> PlanAsync(CancellationToken cancellationToken)
    {
        var old = await LookAsync(cancellationToken).ConfigureAwait(false);
        return new SqlPlan(old.Where(o => o.IsOwned).Select(o => new SqlPlanStep
        {
            Kind = "freeze",
            Reason = $"'{o.Name}' gets no new rows, and has some that are not frozen.",
            Sql = Statement(o.Name),
            OwnTransaction = true,
            Locks = [new SqlPlanLock(o.Name, PgLockMode.ShareUpdateExclusive)],
        }));
    }

    public async Task<IReadOnlyList<FrozenPartition>> RunAsync(IProgress<FrozenPartition>? progress, TimeProvider time, CancellationToken cancellationToken)
    {
        var old = await LookAsync(cancellationToken).ConfigureAwait(false);
        var frozen = new List<FrozenPartition>();
        foreach (var (one, i) in old.Select((o, i) => (o, i)))
        {
            if (i > 0 && wish.PauseBetween > TimeSpan.Zero)
                await Task.Delay(wish.PauseBetween, time, cancellationToken).ConfigureAwait(false);
            // Of a table that it may not vacuum the server only warns, and would be asked about in vain.
            var age = one.IsOwned ? await FreezeAsync(one, cancellationToken).ConfigureAwait(false) : one.Age;
            var told = new FrozenPartition(one.Name, one.Age, age ?? one.Age, !one.IsOwned ? FreezeFate.NotOwned : age is null ? FreezeFate.Gone : age < one.Age ? FreezeFate.Frozen : FreezeFate.Held);
            frozen.Add(told);
            progress?.Report(told);
        }
        return frozen;
    }

    // What the age is behind it tells what was done: a table that is locked is passed over, and old snapshots keep rows from being frozen.
    private Task<long?> FreezeAsync(Old one, CancellationToken cancellationToken) => database.RunEachAsync<long?>("freeze", async (session, _) =>
    {
        try
        {
            await session.Unlimited.ExecuteTextAsync(Statement(one.Name)).ConfigureAwait(false);
        }
        catch (PostgresException gone) when (gone.SqlState == PostgresErrorCodes.UndefinedTable)
        {
            return null;
        }
        return await session.ScalarAsync("SELECT pg_catalog.age(c.relfrozenxid)::bigint FROM pg_catalog.pg_class c WHERE c.oid = $1", PgParameter.Of(one.Oid, NpgsqlDbType.Oid)).ConfigureAwait(false) as long?;
    }, cancellationToken);

    private Task<IReadOnlyList<Old>> LookAsync(CancellationToken cancellationToken) => database.RunAsync("freeze", async (session, server) =>
    {
        var state = await SetReader.StateAsync(session, server, table).ConfigureAwait(false);
        if (state.Set.Basis == PremakeBasis.NewestRow || !state.Key.IsTime)
            state = state with { Newest = await SetReader.NewestAsync(session, state).ConfigureAwait(false) };
        var cold = Expiry.Reached(state) is { } current ? state.Partitions.Where(p => !p.DetachPending && p.Upper <= current).ToList() : [];
        return await session.RowsAsync(
            Ages, row => new Old(row.GetFieldValue<uint>(0), QualifiedName.Create(row.GetString(1), row.GetString(2)), row.GetInt64(3), row.GetBoolean(4)),
            PgParameter.Of(cold.Select(p => p.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid), PgParameter.Of((object?)wish.MinimumAge ?? DBNull.Value, NpgsqlDbType.Bigint)).ConfigureAwait(false);
    }, cancellationToken);

    private static string Statement(QualifiedName name) => $"VACUUM (FREEZE, SKIP_LOCKED) {name.Quoted}";
}
