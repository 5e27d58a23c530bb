using System.Globalization;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Takes an archive's entries apart: order, object, filter, transform, file. Every entry is accounted for.</summary>
internal sealed class SchemaPlanner
{
    private readonly PgArchive _archive;
    private readonly ExtractionOptions _options;
    private readonly IReadOnlyList<TocEntry> _rows;
    private readonly List<string> _warnings = [];
    private readonly Dictionary<int, TocEntry> _byId = [];
    private readonly Dictionary<SchemaObjectId, TocEntry> _own = [];
    private readonly RootResolver _roots;
    private readonly TableParents _parents;

    public SchemaPlanner(PgArchive archive, ExtractionOptions options, IReadOnlyList<TocEntry>? rows = null)
    {
        _rows = rows ?? [];
        _archive = archive;
        _options = options;
        _roots = new RootResolver(archive.Entries);
        foreach (var entry in archive.Entries)
            _byId[entry.DumpId] = entry;
        foreach (var entry in archive.Entries)
        {
            var root = _roots.Of(entry);
            if (ObjectNames.IsObject(entry.Kind) && (entry.Desc == root.Kind || entry.Kind == TocKind.DefaultAcl))
                _own.TryAdd(root, entry);
        }
        _parents = new TableParents(archive.Entries, _byId);
    }

    public SchemaPlan Plan()
    {
        var selector = new EntrySelector(_options, _own.GetValueOrDefault, _parents);
        var transforms = new EntryTransforms(_options, VersionText.Major(_archive.Header.ServerVersion) ?? 0, _archive.Session.StandardConformingStrings);
        var paths = new PathPlanner(_options.Layout);
        var keys = new EntryKeys();
        var planned = new List<PlannedEntry>(_archive.Entries.Count + _rows.Count);
        var consumed = 0;
        foreach (var entry in WithRows(Ordered()))
        {
            if (EntrySelector.IsConsumed(entry))
            {
                consumed++;
                if (entry.Kind == TocKind.Warning)
                    _warnings.Add($"pg_dump left a warning in the archive: {entry.Definition?.Trim()}");
                continue;
            }
            var root = _roots.Of(entry);
            var top = _options.Partitions == PartitionFiles.Own ? root : _parents.TopOf(root);
            var admitted = selector.Admits(entry, root) && !(_options.Partitions == PartitionFiles.LeaveOut && _parents.IsPartition(root));
            if (admitted && transforms.Apply(entry) is { } result)
                planned.Add(new PlannedEntry
                {
                    Entry = result.Entry,
                    Redacted = result.Redacted,
                    Root = root,
                    Key = keys.Next(result.Entry),
                    File = PathFor(paths, result.Entry, top),
                });
        }
        return Finish(planned, paths, consumed);
    }

    private SchemaPlan Finish(List<PlannedEntry> planned, PathPlanner paths, int consumed)
    {
        var copies = planned.Select(entry => (entry, Path: CopyPath(paths, entry))).Where(static copy => copy.Path is not null).ToList();
        var unknown = planned.Count(static entry => entry.Entry.Kind == TocKind.Other);
        if (unknown > 0)
            _warnings.Add($"{unknown} entries have types unknown to this version; they are in 'other/'.");
        var total = _archive.Entries.Count + _rows.Count;
        var placed = planned.Select(entry => entry with { File = paths.Final(entry.File) }).ToList();
        if (_options.PsqlDriver)
            RefuseUnscriptable(placed);
        var (entries, script) = _options.PsqlDriver ? DriverFiles.Split(placed) : (placed, null);
        return new SchemaPlan(
            entries,
            [.. copies.Select(copy => new SchemaPlan.Copy(copy.entry, paths.Final(copy.Path!)))],
            new EntryAccount(total, planned.Count, consumed, total - planned.Count - consumed, unknown),
            _warnings,
            script);
    }

    // psql reads the files in one session: neither single bytes nor two string syntaxes go into that.
    private void RefuseUnscriptable(List<PlannedEntry> entries)
    {
        var session = _archive.Session;
        if (ArchiveEncodings.IsRaw(session.EncodingName) && entries.Exists(static e => e.HasData || !Ascii.IsValid(e.Entry.Definition ?? "")))
            throw new ExtractorOptionException("PsqlDriver", $"The files hold text in '{session.EncodingName}', which psql cannot be told to send.", "Replay the tree without PsqlDriver.");
        if (!session.StandardConformingStrings && entries.Exists(static e => e.HoldsInserts))
            throw new ExtractorOptionException("PsqlDriver", "Rows as INSERT of an archive with standard_conforming_strings off cannot be part of the script.",
                "Replay the tree without PsqlDriver.");
    }

    private IReadOnlyList<TocEntry> Ordered() => EntryOrder.IsStable(_archive.Header.DumpVersion)
        ? [.. _archive.Entries.OrderBy(static entry => entry.Pass)]
        : EntryOrder.Sort(_archive.Entries, _warnings.Add);

    // Behind all tables, and before the triggers, foreign keys and indexes that rows would have to pass.
    private IEnumerable<TocEntry> WithRows(IReadOnlyList<TocEntry> entries)
    {
        var before = entries.TakeWhile(static entry => entry.Pass == TocPass.Main && entry.Section != TocSection.PostData).Count();
        return [.. entries.Take(before), .. _rows, .. entries.Skip(before)];
    }

    private string PathFor(PathPlanner paths, TocEntry entry, SchemaObjectId root) => entry.Kind switch
    {
        TocKind.TableData => paths.AddAttached("DATA", entry.Namespace, entry.Tag ?? ""),
        TocKind.Blobs => paths.AddAttached("DATA", null, "large_objects", entry.Tag == "BLOBS" ? null : entry.Tag),
        TocKind.StatisticsData or TocKind.ExtendedStatisticsData => paths.AddAttached("STATISTICS DATA", entry.Namespace, entry.Tag ?? ""),
        _ => paths.Add(root, _own.GetValueOrDefault(root)),
    };

    private string? CopyPath(PathPlanner paths, PlannedEntry planned)
    {
        var (entry, root) = (planned.Entry, planned.Root);
        return entry.Kind switch
        {
            TocKind.Trigger when _options.Copies.HasFlag(FileCopies.Triggers) =>
                paths.AddAttached("TRIGGER", root.Schema, root.Name, NameOnTable(entry, root)),
            TocKind.Rule when _options.Copies.HasFlag(FileCopies.Rules) =>
                paths.AddAttached("RULE", root.Schema, root.Name, NameOnTable(entry, root)),
            TocKind.Sequence or TocKind.SequenceOwnedBy or TocKind.SequenceSet when _options.Copies.HasFlag(FileCopies.OwnedSequences)
                && root.Kind is "TABLE" or "FOREIGN TABLE" => paths.AddAttached("SEQUENCE", entry.Namespace, entry.Tag ?? ""),
            _ => null,
        };
    }

    // Tags of triggers and rules are "table name".
    private static string NameOnTable(TocEntry entry, SchemaObjectId root) =>
        entry.Tag?.StartsWith(root.Name + " ", StringComparison.Ordinal) == true ? entry.Tag[(root.Name.Length + 1)..] : entry.Tag ?? "";

    /// <summary>Natural keys of entries: kind, schema and name, numbered in replay order where that is not unique.</summary>
    private sealed class EntryKeys
    {
        private readonly Dictionary<string, int> _seen = new(StringComparer.Ordinal);

        public string Next(TocEntry entry)
        {
            var name = entry.Kind switch
            {
                TocKind.Operator or TocKind.OperatorClass or TocKind.OperatorFamily => ObjectNames.NameOf(entry),
                TocKind.DefaultAcl => $"{entry.Tag} OF {entry.Owner}",
                TocKind.Database or TocKind.DatabaseProperties => ObjectNames.Database.Name,
                _ => entry.Tag,
            };
            var key = entry.Namespace is null ? $"{entry.Desc} {name}" : $"{entry.Desc} {entry.Namespace}.{name}";
            var number = _seen[key] = _seen.GetValueOrDefault(key) + 1;
            return number == 1 ? key : key + " #" + number.ToString(CultureInfo.InvariantCulture);
        }
    }
}

/// <summary>Which entry goes where; nothing is written yet.</summary>
internal sealed record SchemaPlan(
    IReadOnlyList<PlannedEntry> Entries,
    IReadOnlyList<SchemaPlan.Copy> Copies,
    EntryAccount Account,
    IReadOnlyList<string> Warnings,
    string? Script)
{
    /// <summary>A second file for an entry that has its place elsewhere.</summary>
    internal sealed record Copy(PlannedEntry Original, string File);
}

/// <summary>An entry on its way into a file.</summary>
internal sealed record PlannedEntry
{
    /// <summary>The entry as it is written, after all transforms.</summary>
    public required TocEntry Entry { get; init; }

    public required SchemaObjectId Root { get; init; }

    public required string Key { get; init; }

    /// <summary>Final path below the root.</summary>
    public required string File { get; init; }

    public bool Redacted { get; init; }

    /// <summary>Whether the archive's data block goes into the file.</summary>
    public bool HasData => Entry.HasData || Entry.Kind == TocKind.Blobs;

    /// <summary>Whether it is rows as INSERT statements: the only SQL that passes into a tree without being read.</summary>
    public bool HoldsInserts => HasData && Entry.Kind == TocKind.TableData && string.IsNullOrEmpty(Entry.CopyStatement);
}

/// <summary>What became of every entry of the archive: nothing is lost silently.</summary>
/// <param name="Total">Entries of the archive.</param>
/// <param name="InFiles">Written to exactly one file each; copies are not counted.</param>
/// <param name="Consumed">Session settings and remarks that never become SQL of the schema.</param>
/// <param name="Filtered">Left out because the options say so.</param>
/// <param name="Unknown">Of those in files: kinds this version does not know, written to <c>other/</c>.</param>
public sealed record EntryAccount(int Total, int InFiles, int Consumed, int Filtered, int Unknown)
{
    /// <summary>Whether the sum is right: <c>Total = InFiles + Consumed + Filtered</c>.</summary>
    public bool IsClosed => Total == InFiles + Consumed + Filtered;
}
