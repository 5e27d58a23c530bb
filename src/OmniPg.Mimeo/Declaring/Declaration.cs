using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>Tables as they are wanted beside those that are managed: what can be changed, and what the rows that are here stand for.</summary>
internal static class Declaration
{
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
