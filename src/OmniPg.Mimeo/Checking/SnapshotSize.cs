using NpgsqlTypes;

namespace OmniPg.Mimeo;

/// <summary>Which snapshots are measured, and how.</summary>
public sealed class SnapshotMonitorOptions : ICheckedOptions
{
    /// <summary>One snapshot; default null: all.</summary>
    public QualifiedName? Destination { get; set; }

    /// <summary>Whether the source counts its rows, which reads all of them. Default false: what its statistics say.</summary>
    public bool Exact { get; set; }

    /// <summary>Rows from which on a snapshot is told. Default null: no limit; with <see cref="MinBytes"/>, one of the two is enough. Not negative.</summary>
    public long? MinRows { get; set; }

    /// <summary>Bytes from which on a snapshot is told. Default null: no limit. Not negative.</summary>
    public long? MinBytes { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.AtLeast(options.MinRows, 0);
        check.AtLeast(options.MinBytes, 0);
    }
}

/// <summary>How large the source of a snapshot is: all of it is read with each refresh.</summary>
/// <param name="Destination">The snapshot.</param>
/// <param name="From">Name of its source.</param>
/// <param name="Source">The table there.</param>
/// <param name="Rows">Rows there, whatever condition the snapshot has; of statistics a guess, and null where there are none, as of a view or a foreign table.</param>
/// <param name="Bytes">Bytes there with indexes and TOAST, of all partitions (<c>pg_total_relation_size</c>); 0 for a view and a foreign table.</param>
public sealed record SnapshotSize(QualifiedName Destination, string From, QualifiedName Source, long? Rows, long Bytes)
{
    // Partitions and children included. A table that was never analyzed has -1 rows, before 14 none and no pages.
    private const string Sizes =
        """
        WITH RECURSIVE part AS (
            SELECT $1 AS oid
            UNION
            SELECT i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid)
        SELECT coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::bigint,
            CASE WHEN coalesce(bool_and(c.relkind IN ('r', 'm') AND c.reltuples >= 0 AND (c.reltuples > 0 OR c.relpages > 0 OR pg_catalog.pg_relation_size(c.oid) = 0)), true) THEN coalesce(sum(c.reltuples), 0)::bigint END
        FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.oid WHERE c.relkind <> 'p'
        """;

    /// <summary>Measures the snapshots of the options.</summary>
    internal static async Task<IReadOnlyList<SnapshotSize>> ReadAsync(PgSession session, MimeoStore store, MimeoOptions settings, SourcePools pools, SnapshotMonitorOptions options)
    {
        var found = await SpecTable.ReadAsync(session, store, options.Destination).ConfigureAwait(false);
        if (options.Destination is { } one && found.Count == 0)
            throw new NotManagedException(SpecTable.Text(one));
        if (options.Destination is not null && found[0].Kind != ReplicationKind.Snapshot)
            throw new ArgumentException($"'{options.Destination}' ({found[0].Kind}) is no snapshot.", nameof(options));
        var sizes = new List<SnapshotSize>();
        foreach (var group in found.Where(s => s.Kind == ReplicationKind.Snapshot).GroupBy(s => s.From, StringComparer.Ordinal))
        {
            var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, group.Key).ConfigureAwait(false);
            await using var closing = source.ConfigureAwait(false);
            foreach (var spec in group)
                sizes.Add(await MeasureAsync(source, settings, spec, options.Exact).ConfigureAwait(false));
        }
        var all = options.MinRows is null && options.MinBytes is null;
        return [.. sizes.Where(s => all || s.Rows >= options.MinRows || s.Bytes >= options.MinBytes).OrderBy(s => SpecTable.Text(s.Destination), StringComparer.Ordinal)];
    }

    // In a snapshot of its own, in which row security hides no rows silently.
    private static async Task<SnapshotSize> MeasureAsync(SourceSession source, MimeoOptions settings, ReplicationSpec spec, bool exact)
    {
        // Sizes wait for the locks of partitions, too.
        await source.TakeSnapshotAsync(settings.LockTimeout, spec).ConfigureAwait(false);
        var relation = await source.AskAsync(spec.Source, at => RelationInfo.FindAsync(at, spec.Source)).ConfigureAwait(false) ?? throw new SourceTableNotFoundException(spec.Source, source.Name);
        var (bytes, rows) = await source.AskAsync(spec.Source, at => at.RowAsync(Sizes, row => (row.GetInt64(0), row.BigInt(1)), PgParameter.Of(relation.Oid, NpgsqlDbType.Oid))).ConfigureAwait(false);
        if (exact)
            rows = (long)(await source.AskAsync(spec.Source, at => at.Unlimited.ScalarAsync($"SELECT count(*) FROM {spec.Source.Quoted}")).ConfigureAwait(false))!;
        await source.EndAsync().ConfigureAwait(false);
        return new SnapshotSize(spec.Target, spec.From, spec.Source, rows, bytes);
    }
}
