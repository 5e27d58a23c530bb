using Npgsql;
using NpgsqlTypes;

namespace OmniPg.Partman;

/// <summary>Tells the planner what sets hold as a whole: autovacuum never looks at a table that is partitioned.</summary>
internal static class Analyzer
{
    // $1 sets: those that are partitions of others of them, and are analyzed with these.
    private const string Inside =
        "SELECT o.o FROM unnest($1) AS o (o) WHERE EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(o.o) AS a (relid) WHERE a.relid::pg_catalog.oid <> o.o AND a.relid::pg_catalog.oid = ANY ($1))";

    // $1 the set, $2 since when: its partitions, and itself, that were not analyzed since.
    private const string PassedOver =
        """
        SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_partition_tree($1::pg_catalog.regclass) t JOIN pg_catalog.pg_class c ON c.oid = t.relid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND current_setting('track_counts')::bool AND (pg_catalog.pg_stat_get_last_analyze_time(c.oid) >= $2) IS NOT TRUE ORDER BY 1, 2
        """;

    // Before that major statistics go through a process that writes them down twice a second (PGSTAT_STAT_INTERVAL, src/backend/postmaster/pgstat.c).
    private const int StatisticsAtOnce = 15;

    // From that major on the owner may let others maintain a table.
    private const int MaintainPrivilege = 17;
    private static readonly TimeSpan StatisticsLag = TimeSpan.FromSeconds(1);

    public static async Task<IReadOnlyList<AnalyzedSet>> RunAsync(PartmanDatabase database, TimeProvider time, QualifiedName? table, bool skipLocked, IProgress<AnalyzedSet>? progress, CancellationToken cancellationToken)
    {
        var analyzed = new List<AnalyzedSet>();
        foreach (var (name, isOwned) in await database.RunAsync("analyze", (session, server) => SetsAsync(session, server, table), cancellationToken).ConfigureAwait(false))
        {
            // Of a table that it may not analyze the server only warns, and would be asked about in vain.
            var told = isOwned ? await OneAsync(database, time, name, skipLocked, cancellationToken).ConfigureAwait(false) : new AnalyzedSet(name, AnalyzeFate.NotOwned, []);
            analyzed.Add(told);
            progress?.Report(told);
        }
        return analyzed;
    }

    /// <summary>Analyzes a table and all its partitions, each in a transaction of its own.</summary>
    public static Task<bool> TableAsync(PartmanDatabase database, QualifiedName table, bool skipLocked, CancellationToken cancellationToken) => database.RunEachAsync("ANALYZE", async (session, _) =>
    {
        await session.Unlimited.ExecuteTextAsync($"ANALYZE {(skipLocked ? "(SKIP_LOCKED) " : "")}{table.Quoted}").ConfigureAwait(false);
        return true;
    }, cancellationToken);

    // The server says nothing of a partition that it skips, only when it was at it last.
    private static async Task<AnalyzedSet> OneAsync(PartmanDatabase database, TimeProvider time, QualifiedName name, bool skipLocked, CancellationToken cancellationToken)
    {
        try
        {
            var began = await database.RunAsync("analyze", (session, _) => session.ScalarAsync("SELECT pg_catalog.clock_timestamp()"), cancellationToken).ConfigureAwait(false);
            await TableAsync(database, name, skipLocked, cancellationToken).ConfigureAwait(false);
            var passedOver = await PassedOverAsync(database, name, began, cancellationToken).ConfigureAwait(false);
            if (passedOver.Count > 0 && database.Known is not { Version.Major: >= StatisticsAtOnce })
            {
                await Task.Delay(StatisticsLag, time, cancellationToken).ConfigureAwait(false);
                passedOver = await PassedOverAsync(database, name, began, cancellationToken).ConfigureAwait(false);
            }
            return new AnalyzedSet(name, passedOver.Count == 0 ? AnalyzeFate.Analyzed : AnalyzeFate.Partly, passedOver);
        }
        catch (PartmanServerException error) when (error.SqlState == PostgresErrorCodes.UndefinedTable)
        {
            return new AnalyzedSet(name, AnalyzeFate.Gone, []);
        }
    }

    private static Task<IReadOnlyList<QualifiedName>> PassedOverAsync(PartmanDatabase database, QualifiedName name, object? began, CancellationToken cancellationToken) => database.RunAsync("analyze", (session, _) => session.RowsAsync(
        PassedOver, row => QualifiedName.Create(row.GetString(0), row.GetString(1)), PgParameter.Text(name.Quoted), PgParameter.Of(began, NpgsqlDbType.TimestampTz)), cancellationToken);

    private static async Task<IReadOnlyList<(QualifiedName Name, bool IsOwned)>> SetsAsync(PgSession session, PartmanServer server, QualifiedName? table)
    {
        var found = await SetReader.ConfiguredAsync(session, server, table).ConfigureAwait(false);
        if (table is { } one && found.Count == 0)
            throw Refusal.NotFound(one, server);
        if (table is not null && found[0].Error is { } error)
            throw error;
        var sets = found.Where(s => s.Set is not null).ToList();
        var inside = (await session.RowsAsync(Inside, row => row.GetFieldValue<uint>(0), PgParameter.Of(sets.Select(s => s.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid)).ConfigureAwait(false)).ToHashSet();
        var others = PgParameter.Of(sets.Where(s => !s.IsOwned).Select(s => s.Oid).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Oid);
        var maintained = server.Version.Major < MaintainPrivilege ? []
            : (await session.RowsAsync("SELECT o.o FROM unnest($1) AS o (o) WHERE pg_catalog.has_table_privilege(o.o, 'MAINTAIN')", row => row.GetFieldValue<uint>(0), others).ConfigureAwait(false)).ToHashSet();
        return [.. sets.Where(s => !inside.Contains(s.Oid)).Select(s => (s.Set!.Table, s.IsOwned || maintained.Contains(s.Oid)))];
    }
}
