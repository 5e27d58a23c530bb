namespace OmniPg.Mimeo;

/// <summary>What the catalog of a source has that the tables here have not.</summary>
internal static class SourceCatalog
{
    // Partitions come with their table. The queues of this package and of the extension are no tables of anybody; each knows them by their trigger function's schema.
    private const string Relations =
        """
        SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind::text = ANY ($1) AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_' AND n.nspname <> ALL ($2)
        ORDER BY 1, 2
        """;

    /// <summary>Tables of a source that nothing here comes from.</summary>
    public static async Task<IReadOnlyList<QualifiedName>> UnreplicatedAsync(PgSession session, MimeoStore store, SourcePools pools, string name, bool includeViews)
    {
        var (id, source) = await SourceRegistry.OpenAsync(session, store, pools, name).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        var known = await session.RowsAsync($"SELECT source_table FROM {store.All} c WHERE dblink = $1", row => row.GetString(0), PgParameter.Integer(id)).ConfigureAwait(false);
        var kinds = PgParameter.Texts(includeViews ? ["r", "p", "f", "v", "m"] : ["r", "p", "f"]);
        var there = await source.AskAsync(QualifiedName.Create("pg_catalog", "pg_class"), at => at.RowsAsync(
            Relations, row => QualifiedName.Create(row.GetString(0), row.GetString(1)), kinds, PgParameter.Texts([store.Schema.Value, store.SideSchema.Value]))).ConfigureAwait(false);
        var taken = known.ToHashSet(StringComparer.Ordinal);
        // A dot in the schema is a name that no table can be set up by.
        return [.. there.Where(t => !taken.Contains($"{t.Schema!.Value.Value}.{t.Name.Value}"))];
    }

    /// <summary>How the columns of a table differ from those of its source.</summary>
    public static async Task<DriftResult> DriftAsync(PgSession session, MimeoStore store, MimeoOptions options, SourcePools pools, ReplicationSpec spec)
    {
        var (_, source) = await SourceRegistry.OpenAsync(session, store, pools, spec.From).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        await source.TakeSnapshotAsync(options.LockTimeout, spec with { Queue = null }).ConfigureAwait(false);
        var (there, queue) = await source.AskAsync(spec.Source, async at =>
        {
            await at.ExecuteAsync("SET LOCAL search_path = pg_catalog").ConfigureAwait(false);
            return (await RelationInfo.FindAsync(at, spec.Source).ConfigureAwait(false), spec.Queue is { } name ? await RelationInfo.FindAsync(at, name).ConfigureAwait(false) : null);
        }).ConfigureAwait(false);
        if (there is null)
            throw new SourceTableNotFoundException(spec.Source, source.Name);
        var here = await RelationInfo.FindAsync(session, spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(spec.Target);
        var copied = there.Columns.Where(c => spec.Columns.Count == 0 || spec.Columns.Contains(c.Name.Value)).ToArray();
        var found = new List<ColumnDrift>();
        foreach (var column in copied)
        {
            var kept = here.Columns.FirstOrDefault(c => c.Name == column.Name);
            if (kept is null && spec.Drift == DriftPolicy.Ignore && !MissingColumns.IsNamed(spec, column))
                continue;
            if (kept is null)
                Add(column, ColumnDriftKind.MissingHere, null, $"ADD COLUMN {column.Name.Quoted} {column.Type}");
            else if (kept.IsGenerated)
                Add(column, ColumnDriftKind.GeneratedHere, kept.Type, $"ALTER COLUMN {column.Name.Quoted} DROP EXPRESSION");
            else if (kept.BaseType != column.BaseType || ColumnInfo.IsNarrower(kept.Type, column.Type))
                Add(column, kept.BaseType != column.BaseType ? ColumnDriftKind.OtherType : ColumnDriftKind.NarrowerHere, kept.Type, $"ALTER COLUMN {column.Name.Quoted} TYPE {column.Type} USING {column.Name.Quoted}::{column.Type}");
        }
        var named = spec.Columns.Concat(spec.Key).Concat(spec.Cursor is { } cursor ? [cursor.Column] : []).Distinct(StringComparer.Ordinal);
        found.AddRange(named.Where(name => there.Columns.All(c => c.Name.Value != name))
            .Select(name => new ColumnDrift(name, ColumnDriftKind.MissingAtSource, null, here.Columns.FirstOrDefault(c => c.Name.Value == name)?.Type, null)));
        IReadOnlyList<string> queued = [];
        if (queue is not null && found.All(f => f.Kind != ColumnDriftKind.MissingAtSource))
        {
            queued = SourceQueue.ColumnStatements(spec, there, queue);
            found.AddRange(SourceQueue.Gone(spec, there, queue).Select(c => new ColumnDrift(c.Name.Value, ColumnDriftKind.MissingAtSource, null, here.Columns.FirstOrDefault(h => h.Name == c.Name)?.Type, null)));
        }
        return new DriftResult(spec.Target, spec.From, spec.Source, found, [.. queued.Select(s => s + ";")]);

        void Add(ColumnInfo column, ColumnDriftKind kind, string? type, string change) => found.Add(new ColumnDrift(
            column.Name.Value, kind, column.Type, type, spec.Kind == ReplicationKind.Snapshot ? null : $"ALTER TABLE {spec.Target.Quoted} {change};"));
    }
}
