using System.Globalization;

namespace OmniPg.Extractor;

/// <summary>The difference of two schemas, object by object.</summary>
public sealed record SchemaDiff
{
    internal SchemaDiff(IReadOnlyList<ObjectDiff> objects, IReadOnlyList<string> notes, string? environmentMismatch) =>
        (Objects, Notes, EnvironmentMismatch) = (objects, notes, environmentMismatch);

    /// <summary>Objects that differ, sorted by kind and identity.</summary>
    public IReadOnlyList<ObjectDiff> Objects { get; }

    /// <summary>Whether nothing differs.</summary>
    public bool IsEmpty => Objects.Count == 0;

    /// <summary>
    /// Says so when the schemas come from servers of different majors, whose texts differ without any change of the schema; null otherwise.
    /// </summary>
    public string? EnvironmentMismatch { get; }

    /// <summary>What was left aside, and what a reader should know.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Compares two schemas.</summary>
    /// <param name="from">The first one: what only it has is removed.</param>
    /// <param name="to">The second one: what only it has is added.</param>
    /// <param name="options">What to look at; null for everything.</param>
    /// <returns>The difference.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The lines of context are fewer than none.</exception>
    public static SchemaDiff Between(SchemaSnapshot from, SchemaSnapshot to, DiffOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        return new Comparison(from, to, OptionsCheck.Require(options ?? new DiffOptions())).Run();
    }

    /// <summary>All differences as unified text, for people and for review tools.</summary>
    /// <returns>Empty when nothing differs.</returns>
    public string ToUnifiedText() => string.Concat(Objects.Select(static o => o.UnifiedText));

    /// <summary>One line: how many objects were added, removed and changed.</summary>
    public override string ToString() => IsEmpty
        ? "no differences"
        : $"{Objects.Count(static o => o.Status == DiffStatus.Added)} added, {Objects.Count(static o => o.Status == DiffStatus.Removed)} removed, "
            + $"{Objects.Count(static o => o.Status == DiffStatus.Changed)} changed";

    /// <summary>Compares two snapshots entry by entry and sums the differences up per object.</summary>
    private sealed class Comparison(SchemaSnapshot from, SchemaSnapshot to, DiffOptions options)
    {
        private readonly List<string> _notes = [.. from.Warnings, .. to.Warnings];
        private bool _compareFiles;
        private bool _compareDatabase;
        private bool _compareLargeObjects;

        public SchemaDiff Run()
        {
            _compareFiles = !options.IgnoreMoves && LayoutOf(from) == LayoutOf(to);
            // They are data: a schema-only dump, which every comparison with a database makes, does not hold them.
            _compareLargeObjects = HasLargeObjects(from) && HasLargeObjects(to);
            _compareDatabase = !options.IgnoreDatabase && DatabaseName(from) == DatabaseName(to);
            if (!options.IgnoreDatabase && !_compareDatabase)
                _notes.Add($"Properties of the databases '{DatabaseName(from)}' and '{DatabaseName(to)}' are not compared, because their names differ.");
            var (left, right) = (ByObject(from), ByObject(to));
            var objects = left.Keys.Union(right.Keys)
                .Select(id => Compare(id, left.GetValueOrDefault(id) ?? [], right.GetValueOrDefault(id) ?? []))
                .OfType<ObjectDiff>()
                .OrderBy(static diff => diff.SchemaObject.Kind, StringComparer.Ordinal)
                .ThenBy(static diff => diff.SchemaObject.Identity, StringComparer.Ordinal)
                .ToList();
            if (objects.Count(static diff => diff.Classes.HasFlag(DiffClasses.LineEnds)) is > 0 and var converted)
                _notes.Add($"{converted.ToString(CultureInfo.InvariantCulture)} objects differ in carriage returns: something converted line ends. With git, '* -text' in .gitattributes prevents it.");
            return new SchemaDiff(objects, _notes, Mismatch());
        }

        private static string LayoutOf(SchemaSnapshot snapshot) => string.Join('\n', snapshot.Options
            .Where(static o => o.Key is "layout" or "schema_directories" or "routines" or "partitions" or "psql_driver" || o.Key.StartsWith("folder ", StringComparison.Ordinal))
            .OrderBy(static o => o.Key, StringComparer.Ordinal));

        private static bool HasLargeObjects(SchemaSnapshot snapshot) => snapshot.Options.ContainsKey("large_objects");

        private static string? DatabaseName(SchemaSnapshot snapshot) => snapshot.Entries.FirstOrDefault(static e => e.Desc == "DATABASE")?.Tag;

        private Dictionary<SchemaObjectId, List<SchemaEntry>> ByObject(SchemaSnapshot snapshot)
        {
            var objects = new Dictionary<SchemaObjectId, List<SchemaEntry>>();
            foreach (var entry in snapshot.Entries)
            {
                if (!IsCompared(entry))
                    continue;
                if (!objects.TryGetValue(entry.SchemaObject, out var entries))
                    objects.Add(entry.SchemaObject, entries = []);
                entries.Add(entry);
            }
            return objects;
        }

        // Since 17 pg_dump counts the creation of large objects as data.
        private bool IsCompared(SchemaEntry entry) => (entry.Section != TocSection.Data || entry.Desc == "BLOB METADATA")
            && !entry.Desc.EndsWith(" DATA", StringComparison.Ordinal)
            && (_compareLargeObjects || entry.SchemaObject.Kind != "LARGE OBJECT")
            && (_compareDatabase || entry.SchemaObject.Kind != "DATABASE")
            && !(options.IgnoreAcl && ClassOf(entry) == DiffClasses.Acl)
            && !(options.IgnoreComments && ClassOf(entry) == DiffClasses.Comment);

        private ObjectDiff? Compare(SchemaObjectId id, List<SchemaEntry> left, List<SchemaEntry> right)
        {
            // Grants and comments alone, as on schema public or a built-in function: the object is there on both sides.
            var isThere = left.Concat(right).All(static entry => ClassOf(entry) != DiffClasses.Definition);
            if ((left.Count == 0 || right.Count == 0) && !isThere)
            {
                var entries = left.Count == 0 ? right : left;
                return new ObjectDiff(left.Count == 0 ? DiffStatus.Added : DiffStatus.Removed, id, DiffClasses.None,
                    [.. entries.Select(static e => e.Key)], Unified(id, left, right));
            }
            var classes = DiffClasses.None;
            var changed = new List<string>();
            var others = right.ToDictionary(static e => e.Key, StringComparer.Ordinal);
            foreach (var entry in left)
            {
                var found = others.Remove(entry.Key, out var other) ? Difference(entry, other) : ClassOf(entry);
                Note(entry.Key, found);
            }
            foreach (var entry in others.Values)
                Note(entry.Key, ClassOf(entry));
            if (id.Kind == "EXTENSION" && VersionsDiffer(id.Name))
                classes |= DiffClasses.Version;
            return classes == DiffClasses.None ? null : new ObjectDiff(DiffStatus.Changed, id, classes, changed, Unified(id, left, right));

            void Note(string key, DiffClasses found)
            {
                classes |= found;
                if (found != DiffClasses.None)
                    changed.Add(key);
            }
        }

        private DiffClasses Difference(SchemaEntry left, SchemaEntry right)
        {
            var moved = _compareFiles && left.File != right.File ? DiffClasses.Moved : DiffClasses.None;
            if (left.Sha256 == right.Sha256)
                return moved;
            if (WithoutReturns(left.Sql) == WithoutReturns(right.Sql))
                return moved | DiffClasses.LineEnds;
            // The header of a grant or a comment names the owner, too; it is the object's own entry that gives it away.
            var owner = left.Owner != right.Owner && !options.IgnoreOwners ? DiffClasses.Owner : DiffClasses.None;
            var (a, b) = (OwnerText.Without(left.Sql), OwnerText.Without(right.Sql));
            // With equal owners the texts may still differ in nothing but the owner's place, as after an edit by hand.
            if (a == b && !(HasOwner(left) || HasOwner(right)))
                return moved | (OwnerText.WithoutHeader(left.Sql) == OwnerText.WithoutHeader(right.Sql) ? DiffClasses.None : ClassOf(left));
            return moved | owner | (a == b ? DiffClasses.None : ClassOf(left));
        }

        private static bool HasOwner(SchemaEntry entry) => entry.Sql.Contains(" OWNER TO ", StringComparison.Ordinal);

        private static string WithoutReturns(string sql) => sql.Replace("\r", "", StringComparison.Ordinal).TrimEnd('\n');

        private static DiffClasses ClassOf(SchemaEntry entry) => entry.Desc switch
        {
            "ACL" or "DEFAULT ACL" or "ACL LANGUAGE" => DiffClasses.Acl,
            "COMMENT" => DiffClasses.Comment,
            "SECURITY LABEL" => DiffClasses.Label,
            _ => DiffClasses.Definition,
        };

        private bool VersionsDiffer(string extension) =>
            from.Environment.Extensions.TryGetValue(extension, out var a) && to.Environment.Extensions.TryGetValue(extension, out var b) && a != b;

        private string Unified(SchemaObjectId id, List<SchemaEntry> left, List<SchemaEntry> right)
        {
            var text = UnifiedDiff.Write($"a/{NameOf(id, left, right)}", $"b/{NameOf(id, right, left)}", Lines(left), Lines(right), options.ContextLines);
            if (id.Kind == "EXTENSION" && VersionsDiffer(id.Name))
                text += $"extension {id.Name}: version {from.Environment.Extensions[id.Name]} -> {to.Environment.Extensions[id.Name]}\n";
            return text;
        }

        private static string NameOf(SchemaObjectId id, List<SchemaEntry> own, List<SchemaEntry> other) =>
            own.FirstOrDefault()?.File ?? other.FirstOrDefault()?.File ?? id.Identity;

        private static string[] Lines(List<SchemaEntry> entries) =>
            entries.Count == 0 ? [] : string.Join("\n\n", entries.Select(static e => e.Sql)).Split('\n');

        private string? Mismatch()
        {
            var (a, b) = (Major(from.Environment.Server), Major(to.Environment.Server));
            return a == b || a is null || b is null ? null : $"The schemas come from servers of major '{a}' and '{b}'; some texts differ by that alone.";
        }

        private static string? Major(string? version) => version?.Split('.')[0];

        /// <summary>An entry's text without what names its owner.</summary>
        private static class OwnerText
        {
            private const string Field = "; Owner: ";

            public static string Without(string sql)
            {
                var headerEnd = sql.IndexOf("\n--\n", StringComparison.Ordinal);
                var owner = headerEnd < 0 ? -1 : sql.LastIndexOf(Field, headerEnd, StringComparison.Ordinal);
                if (owner < 0)
                    return sql;
                var tablespace = sql.IndexOf("; Tablespace: ", owner, headerEnd - owner, StringComparison.Ordinal);
                var header = sql[..owner] + (tablespace < 0 ? "" : sql[tablespace..headerEnd]);
                return header + WithoutStatement(sql[headerEnd..]);
            }

            public static string WithoutHeader(string sql)
            {
                var headerEnd = sql.IndexOf("\n--\n", StringComparison.Ordinal);
                return headerEnd < 0 ? sql : sql[headerEnd..];
            }

            // The owner comes behind the definition; after it at most an access method. A body ends before, with its quote and semicolon.
            private static string WithoutStatement(string body)
            {
                var lines = body.Split('\n').ToList();
                for (var at = lines.Count - 1; at >= 0; at--)
                {
                    var line = lines[at];
                    if (line.StartsWith("ALTER ", StringComparison.Ordinal) && line.Contains(" OWNER TO ", StringComparison.Ordinal) && line.EndsWith(';'))
                        lines.RemoveAt(at);
                    else if (line.Length > 0 && !line.Contains(" SET ACCESS METHOD ", StringComparison.Ordinal))
                        break;
                }
                return string.Join('\n', lines).TrimEnd('\n');
            }
        }
    }
}

/// <summary>One object that differs.</summary>
/// <param name="Status">Added, removed or changed.</param>
/// <param name="SchemaObject">The object.</param>
/// <param name="Classes">In what way it changed; <see cref="DiffClasses.None"/> for added and removed ones.</param>
/// <param name="Entries">Keys of the entries that differ.</param>
/// <param name="UnifiedText">The difference as unified text.</param>
public sealed record ObjectDiff(DiffStatus Status, SchemaObjectId SchemaObject, DiffClasses Classes, IReadOnlyList<string> Entries, string UnifiedText);

/// <summary>What became of an object between two schemas.</summary>
public enum DiffStatus
{
    /// <summary>Only the second schema has it.</summary>
    Added,

    /// <summary>Only the first schema has it.</summary>
    Removed,

    /// <summary>Both have it, and it differs.</summary>
    Changed,
}

/// <summary>In what way an object changed; combined with <c>|</c>.</summary>
[Flags]
public enum DiffClasses
{
    /// <summary>Nothing changed.</summary>
    None = 0,

    /// <summary>Its definition, or that of something that belongs to it: an index, a constraint, a trigger.</summary>
    Definition = 1,

    /// <summary>Its owner.</summary>
    Owner = 2,

    /// <summary>Grants on it.</summary>
    Acl = 4,

    /// <summary>Comments on it.</summary>
    Comment = 8,

    /// <summary>Security labels on it.</summary>
    Label = 16,

    /// <summary>Its file: same text in another place.</summary>
    Moved = 32,

    /// <summary>The installed version of an extension.</summary>
    Version = 64,

    /// <summary>Nothing but carriage returns: a checkout or an editor converted the line ends.</summary>
    LineEnds = 128,
}
