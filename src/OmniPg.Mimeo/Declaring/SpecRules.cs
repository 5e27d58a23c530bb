using System.Globalization;
using System.Text;

namespace OmniPg.Mimeo;

/// <summary>Tables as they are wanted: what each alone can tell, and, beside one that is managed, what can be changed and what the rows that are here stand for.</summary>
internal static class SpecRules
{
    /// <summary>Refuses one that contradicts itself.</summary>
    /// <param name="spec">The table.</param>
    /// <param name="isManaged">Whether it may have what a set-up makes.</param>
    /// <exception cref="ArgumentException">It does; the message says how.</exception>
    public static void Require(ReplicationSpec spec, bool isManaged = false)
    {
        ArgumentNullException.ThrowIfNull(spec);
        _ = SpecTable.Text(spec.Source);
        _ = SpecTable.Text(spec.Target);
        foreach (var sequence in spec.Sequences)
            _ = SpecTable.Text(sequence);
        var hasKey = spec.HasChanges || spec.Kind == ReplicationKind.Updater;
        string? wrong = spec switch
        {
            { From: null or "" } => "From must name a source.",
            _ when !Enum.IsDefined(spec.Kind) => $"Kind '{spec.Kind}' is none.",
            _ when spec.HasCursor != spec.Cursor is not null => $"Cursor must {(spec.HasCursor ? "" : "not ")}be given for {spec.Kind}.",
            { Queue: not null } or { Slot: not null } when !isManaged => "Queue and Slot are made and named by the set-up.",
            { Key.Count: > 0 } when !hasKey => $"Key means nothing for {spec.Kind}.",
            { Kind: not ReplicationKind.Table, Sequences.Count: > 0 } or { Kind: not ReplicationKind.Table, TruncateCascade: true } => $"Sequences and TruncateCascade mean nothing for {spec.Kind}.",
            { Kind: not ReplicationKind.Snapshot, PostScript.Count: > 0 } or { Kind: not ReplicationKind.Snapshot, SkipUnchanged: false } => $"PostScript and SkipUnchanged mean nothing for {spec.Kind}.",
            _ when !Enum.IsDefined(spec.Drift) => $"Drift '{spec.Drift}' is none.",
            { Kind: ReplicationKind.Snapshot, Drift: not DriftPolicy.Fail } => $"Drift means nothing for {spec.Kind}, which is made anew.",
            { Cursor: { } cursor } when !Enum.IsDefined(cursor.Mode) || (cursor.TimeBoundary is null && cursor.Mode != BoundaryMode.Fixed) => $"Mode '{cursor.Mode}' of the cursor is for a column of times.",
            { Kind: ReplicationKind.Logdel or ReplicationKind.Logical, Expressions.Count: > 0 } => $"Expressions mean nothing for {spec.Kind}: deleted rows, and the log, have the values as they were.",
            _ when spec.Expressions.Any(e => string.IsNullOrWhiteSpace(e.Value) || spec.Key.Contains(e.Key) || e.Key == spec.Cursor?.Column) => "An expression must not be empty, nor stand for a column of the key or the cursor.",
            { IgnoreDeletes: true, Kind: not (ReplicationKind.Dml or ReplicationKind.Logical) } => $"IgnoreDeletes means nothing for {spec.Kind}.",
            { KeepHistory: true, Kind: not ReplicationKind.Logdel } => $"KeepHistory means nothing for {spec.Kind}.",
            { KeepHistory: true } when Bytes(spec.Target) > DeletedHistory.MaxNameBytes => $"The name '{spec.Target.Name.Value}' has more than {DeletedHistory.MaxNameBytes} bytes, and '_deleted' has to fit behind it.",
            { BatchLimit: <= 0 } => $"BatchLimit '{spec.BatchLimit}' must be positive.",
            _ when !spec.HasCursor && !spec.HasChanges && spec.BatchLimit is not null => $"BatchLimit means nothing for {spec.Kind}.",
            _ when spec.Kind == ReplicationKind.Snapshot && Bytes(spec.Target) > SnapshotMethod.MaxNameBytes =>
                $"The name '{spec.Target.Name.Value}' has more than {SnapshotMethod.MaxNameBytes} bytes, and '_snap1' has to fit behind it.",
            _ => null,
        };
        if (wrong is not null)
            throw new ArgumentException(wrong, nameof(spec));

        static int Bytes(QualifiedName name) => Encoding.UTF8.GetByteCount(name.Name.Value);
    }

    /// <summary>What has to be done so that the tables are managed as they are wanted.</summary>
    /// <exception cref="UnknownSourceException">A table that is to be set up comes from a source that is not stored.</exception>
    /// <exception cref="ReplicationConflictException">Some are managed in another way; all of them together.</exception>
    public static async Task<IReadOnlyList<DeclaredTable>> PlanAsync(PgSession session, MimeoStore store, IReadOnlyCollection<ReplicationSpec> wanted)
    {
        var managed = (await SpecTable.ReadAsync(session, store, null).ConfigureAwait(false)).ToDictionary(s => s.Target);
        var sources = (await SourceRegistry.ListAsync(session, store).ConfigureAwait(false)).Select(s => s.Name).ToHashSet(StringComparer.Ordinal);
        // Tables of the extension are never told to log where its job log is missing (SpecTable).
        var mayAudit = !store.IsExtension || await session.ScalarAsync("SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'pg_jobmon'").ConfigureAwait(false) is not null;
        var (plan, conflicts) = (new List<DeclaredTable>(), new List<string>());
        foreach (var wish in wanted)
        {
            if (!managed.TryGetValue(wish.Target, out var found))
            {
                if (!sources.Contains(wish.From))
                    throw new UnknownSourceException(wish.From);
                plan.Add(new DeclaredTable(wish.Target, DeclaredFate.Created, [], []));
                continue;
            }
            conflicts.AddRange(Fixed(found, wish).Select(name => $"'{wish.Target}' is managed with another {name}"));
            var changed = Changed(found, wish with { Audit = wish.Audit && mayAudit });
            plan.Add(new DeclaredTable(wish.Target, changed.Count == 0 ? DeclaredFate.Unchanged : DeclaredFate.Changed, changed, []));
        }
        return conflicts.Count == 0 ? plan
            : throw new ReplicationConflictException($"What the rows that are here stand for cannot be changed: {string.Join("; ", conflicts)}.", "Nothing was changed. Drop such a table from the configuration and create it anew.");
    }

    /// <summary>Names of properties that differ and cannot be changed. A key, a queue or a slot that is not given is that of the table.</summary>
    public static IReadOnlyList<string> Fixed(ReplicationSpec managed, ReplicationSpec wish) => Differing(managed, wish,
    [
        (nameof(ReplicationSpec.Kind), s => s.Kind.ToString()), (nameof(ReplicationSpec.From), s => s.From), (nameof(ReplicationSpec.Source), s => s.Source.ToString()),
        (nameof(ReplicationSpec.Cursor), s => (s.Cursor is { } cursor ? cursor with { Mode = BoundaryMode.Fixed } : null)?.ToString()),
        (nameof(ReplicationSpec.Key), s => wish.Key.Count == 0 ? null : Text(s.Key)),
        (nameof(ReplicationSpec.Queue), s => wish.Queue is null ? null : s.Queue?.ToString()), (nameof(ReplicationSpec.Slot), s => wish.Slot is null ? null : s.Slot),
        .. SpecTable.ReadsAll(managed) ? [] : Rows,
    ]);

    private static IReadOnlyList<string> Changed(ReplicationSpec managed, ReplicationSpec wish) => Differing(managed, wish,
    [
        (nameof(ReplicationSpec.Period), s => s.Period?.ToString()), (nameof(ReplicationSpec.BatchLimit), s => s.BatchLimit?.ToString(CultureInfo.InvariantCulture)), (nameof(ReplicationSpec.Audit), s => s.Audit.ToString()),
        (nameof(CursorColumn.Mode), s => s.Cursor?.Mode.ToString()), (nameof(ReplicationSpec.Drift), s => s.Drift.ToString()), (nameof(ReplicationSpec.IgnoreDeletes), s => s.IgnoreDeletes.ToString()),
        (nameof(ReplicationSpec.KeepHistory), s => s.KeepHistory.ToString()),
        (nameof(ReplicationSpec.SkipUnchanged), s => s.Kind == ReplicationKind.Snapshot ? s.SkipUnchanged.ToString() : null), (nameof(ReplicationSpec.PostScript), s => Text(s.PostScript)),
        (nameof(ReplicationSpec.TruncateCascade), s => s.TruncateCascade.ToString()), (nameof(ReplicationSpec.Sequences), s => Text(s.Sequences.Select(q => q.ToString()).Order(StringComparer.Ordinal))),
        .. SpecTable.ReadsAll(managed) ? Rows : [],
    ]);

    // Which rows there are, and how much of them.
    private static (string Name, Func<ReplicationSpec, string?> Of)[] Rows { get; } =
        [(nameof(ReplicationSpec.Columns), s => Text(s.Columns.Order(StringComparer.Ordinal))), (nameof(ReplicationSpec.Condition), s => s.Condition),
            (nameof(ReplicationSpec.Expressions), s => Text(s.Expressions.OrderBy(e => e.Key, StringComparer.Ordinal).SelectMany(e => (string[])[e.Key, e.Value])))];

    private static IReadOnlyList<string> Differing(ReplicationSpec managed, ReplicationSpec wish, IEnumerable<(string Name, Func<ReplicationSpec, string?> Of)> properties) =>
        [.. properties.Where(p => p.Of(managed) != p.Of(wish)).Select(p => p.Name)];

    // With their lengths, for a name may hold anything.
    private static string Text(IEnumerable<string> names) => string.Concat(names.Select(n => string.Create(CultureInfo.InvariantCulture, $"{n.Length} {n}|")));
}
