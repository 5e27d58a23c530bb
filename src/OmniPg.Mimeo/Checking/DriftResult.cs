namespace OmniPg.Mimeo;

/// <summary>How a column differs between a table and its source.</summary>
public enum ColumnDriftKind
{
    /// <summary>The source has it, the destination has not.</summary>
    MissingHere,

    /// <summary>The list of columns, the key or the cursor names it, or the queue of a logdel has it, and the source has none of that name.</summary>
    MissingAtSource,

    /// <summary>Both have it, with types of different names.</summary>
    OtherType,

    /// <summary>The destination computes it, so that no value can be written.</summary>
    GeneratedHere,

    /// <summary>Both have it, and its length or precision is smaller here: values that do not fit are rounded or refused. Rows that were rounded are repaired behind the statement.</summary>
    NarrowerHere,
}

/// <summary>One column that does not fit.</summary>
/// <param name="Column">Its name.</param>
/// <param name="Kind">How it differs.</param>
/// <param name="SourceType">Its type at the source; null where it has none there.</param>
/// <param name="DestinationType">Its type here; null where it has none here.</param>
/// <param name="Statement">What mends it here; null where nothing does, and for a snapshot, which its next refresh makes anew.</param>
public sealed record ColumnDrift(string Column, ColumnDriftKind Kind, string? SourceType, string? DestinationType, string? Statement);

/// <summary>Columns of a table that do not fit those of its source, and what mends them.</summary>
/// <param name="Destination">The table.</param>
/// <param name="From">Name of its source.</param>
/// <param name="Source">The table there.</param>
/// <param name="Columns">Each column that does not fit, in the source's order, behind them those of the table that keeps older images of deleted rows; empty for none.</param>
/// <param name="SourceStatements">
/// What to run at the source, in this order and behind what has to be run here: columns that a queue lacks, has with another type or has no more use for, and the function that fills them.
/// A column that is taken away from the queue of a logdel takes the values of deleted rows with it that still wait there: refresh the table first.
/// </param>
/// <remarks>Rows that are there already have no value in a column that is added: repull the table where they had one at the source.</remarks>
public sealed record DriftResult(QualifiedName Destination, string From, QualifiedName Source, IReadOnlyList<ColumnDrift> Columns, IReadOnlyList<string> SourceStatements)
{
    /// <summary>Whether a refresh would be refused or warn, or a snapshot be made anew.</summary>
    public bool HasDrift => Columns.Count > 0 || SourceStatements.Count > 0;

    /// <summary>Compares both catalogs.</summary>
    internal static async Task<DriftResult> FindAsync(PgSession session, MimeoStore store, MimeoOptions options, SourcePools pools, ReplicationSpec spec)
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
        foreach (var (column, table) in copied.Select(c => (c, here)).Concat(await HistoryAsync().ConfigureAwait(false) is { } history ? copied.Select(c => (c, history)) : []))
        {
            var kept = table.Columns.FirstOrDefault(c => c.Name == column.Name);
            if (kept is null && spec.Drift == DriftPolicy.Ignore && !MissingColumns.IsNamed(spec, column))
                continue;
            // A queue has such a column for itself, and no statement makes room for another one.
            if (spec.Kind == ReplicationKind.Logdel && TableRun.IsOfQueue(spec, column.Name))
                found.Add(new ColumnDrift(column.Name.Value, kept is null ? ColumnDriftKind.MissingHere : ColumnDriftKind.OtherType, column.Type, kept?.Type, null));
            else if (kept is null)
                Add(table, column, ColumnDriftKind.MissingHere, null, $"ADD COLUMN {column.Name.Quoted} {column.Type}");
            else if (kept.IsGenerated)
                Add(table, column, ColumnDriftKind.GeneratedHere, kept.Type, $"ALTER COLUMN {column.Name.Quoted} DROP EXPRESSION");
            else if (kept.BaseType != column.BaseType || ColumnInfo.IsNarrower(kept.Type, column.Type))
                Add(table, column, kept.BaseType != column.BaseType ? ColumnDriftKind.OtherType : ColumnDriftKind.NarrowerHere, kept.Type, $"ALTER COLUMN {column.Name.Quoted} TYPE {column.Type} USING {column.Name.Quoted}::{column.Type}");
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

        async Task<RelationInfo?> HistoryAsync() => spec.KeepHistory ? await DeletedHistory.RequireAsync(session, spec.Target).ConfigureAwait(false) : null;

        void Add(RelationInfo table, ColumnInfo column, ColumnDriftKind kind, string? type, string change) => found.Add(new ColumnDrift(
            column.Name.Value, kind, column.Type, type, spec.Kind == ReplicationKind.Snapshot ? null : $"ALTER TABLE {table.Name.Quoted} {change};"));
    }
}
