using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Decides the path of every object, twins by letter case kept apart.</summary>
internal sealed class PathPlanner(LayoutOptions layout)
{
    public const string Extension = ".sql";

    private readonly List<(string Path, string Identity)> _files = [];
    private Dictionary<string, string>? _final;

    /// <summary>Registers an object and returns its preliminary path, to be given to <see cref="Final"/> when all are known.</summary>
    public string Add(SchemaObjectId id, TocEntry? entry)
    {
        var path = PathOf(id, FileStem.Of(id, entry, layout.FilePerSignature), layout.Preset);
        _files.Add((path, id.ToString()));
        return path;
    }

    /// <summary>Registers a file that repeats or accompanies an object, such as its rows or one of its triggers.</summary>
    public string AddAttached(string kind, string? schema, string name, string? second = null)
    {
        // Rows and copies never share a file with definitions, so the presets of few files do not concern them.
        var preset = layout.Preset is LayoutPreset.PerSchema or LayoutPreset.PerObjectType ? LayoutPreset.PerKind : layout.Preset;
        var path = PathOf(new SchemaObjectId(kind, schema, name), FileNameEncoder.EncodeQualified(name, second), preset);
        _files.Add((path, $"{kind} {schema} {name} {second}"));
        return path;
    }

    public string Final(string path) => (_final ??= FileNames.Resolve(_files))[path] + Extension;

    /// <summary>Folder of each kind of object.</summary>
    public static string FolderOf(string kind, LayoutOptions layout) => ObjectFolders.Of(kind, layout);

    private string PathOf(SchemaObjectId id, string stem, LayoutPreset preset)
    {
        var folder = FolderOf(id.Kind, layout);
        var schema = id.Kind == "SCHEMA" ? id.Name : id.Schema;
        var schemaFolder = schema is null ? null : FileNames.Apply(FileNameEncoder.Encode(schema));
        var qualified = id.Schema is null ? stem : $"{FileNameEncoder.Encode(id.Schema)}.{stem}";
        return preset switch
        {
            LayoutPreset.Flat => FileNames.Apply(Join('.', folder.Replace('/', '.'), qualified)),
            LayoutPreset.PerObjectType => folder.Length == 0 ? stem : folder,
            LayoutPreset.PerSchema => schemaFolder ?? (folder.Length == 0 ? stem : "_" + folder),
            LayoutPreset.Ssdt => id.Schema is null
                ? Join('/', folder, FileNames.Apply(stem))
                : Join('/', schemaFolder!, folder, FileNames.Apply(stem)),
            _ when !layout.SchemaDirectories || schemaFolder is null => Join('/', folder, FileNames.Apply(qualified)),
            _ when id.Kind == "SCHEMA" => Join('/', schemaFolder, schemaFolder),
            _ => Join('/', schemaFolder, folder, FileNames.Apply(qualified)),
        };
    }

    private static string Join(char separator, params ReadOnlySpan<string> parts)
    {
        var path = "";
        foreach (var part in parts)
            path = part.Length == 0 ? path : path.Length == 0 ? part : path + separator + part;
        return path;
    }

    /// <summary>Encoded name of an object's file without folder, schema and extension.</summary>
    private static class FileStem
    {
        /// <param name="id">The object.</param>
        /// <param name="entry">Its own entry; null when the dump holds only what hangs on it.</param>
        /// <param name="filePerSignature">Whether overloads are spread over files.</param>
        public static string Of(SchemaObjectId id, TocEntry? entry, bool filePerSignature) => id.Kind switch
        {
            "FUNCTION" or "PROCEDURE" or "AGGREGATE" when !filePerSignature => FileNameEncoder.Encode(BaseName(id, entry)),
            "OPERATOR" => FileNameEncoder.Encode(entry?.Tag ?? id.Name),
            "OPERATOR CLASS" or "OPERATOR FAMILY" when entry?.Tag is { } tag && id.Name.Length > tag.Length + 7 =>
                FileNameEncoder.EncodeQualified(tag, id.Name[(tag.Length + 7)..]),
            "CAST" => Pair(id.Name, "CAST (", " AS ", ")", "_as_"),
            "TRANSFORM" => Pair(id.Name, "TRANSFORM FOR ", " LANGUAGE ", "", "_"),
            "USER MAPPING" => UserMapping(id, entry),
            _ => FileNameEncoder.Encode(id.Name),
        };

        // The signature may hold parentheses in names; the DROP statement quotes them.
        private static string BaseName(SchemaObjectId id, TocEntry? entry)
        {
            if (TargetName.AfterKeywords(entry?.DropStatement, 2) is { } name)
                return name.Name;
            var arguments = id.Name.LastIndexOf('(');
            return arguments > 0 ? id.Name[..arguments] : id.Name;
        }

        private static string Pair(string tag, string start, string middle, string end, string join)
        {
            var at = tag.IndexOf(middle, StringComparison.Ordinal);
            if (at < start.Length || !tag.StartsWith(start, StringComparison.Ordinal) || !tag.EndsWith(end, StringComparison.Ordinal))
                return FileNameEncoder.Encode(tag);
            return FileNameEncoder.Encode(tag[start.Length..at]) + join + FileNameEncoder.Encode(tag[(at + middle.Length)..^end.Length]);
        }

        private static string UserMapping(SchemaObjectId id, TocEntry? entry)
        {
            var reader = new SqlTokenReader(entry?.Definition ?? "");
            if (!reader.SkipTo("FOR") || reader.ReadName() is not { } user || !reader.SkipTo("SERVER") || reader.ReadName() is not { } server)
                return Pair(id.Name, "USER MAPPING ", " SERVER ", "", "_");
            return FileNameEncoder.Encode(user.Name) + "_" + FileNameEncoder.Encode(server.Name);
        }
    }

    /// <summary>Folder of each kind of object: of the original where it knew the kind, and of the Ssdt preset.</summary>
    private static class ObjectFolders
    {
        private static readonly Dictionary<string, (string Original, string Ssdt)> Names = new(StringComparer.Ordinal)
        {
            ["TABLE"] = ("tables", "Tables"),
            ["FOREIGN TABLE"] = ("tables", "Tables"),
            ["VIEW"] = ("views", "Views"),
            ["MATERIALIZED VIEW"] = ("views", "Views"),
            ["SEQUENCE"] = ("sequences", "Sequences"),
            ["FUNCTION"] = ("functions", "Functions"),
            ["PROCEDURE"] = ("procedures", "Stored Procedures"),
            ["AGGREGATE"] = ("aggregates", "Functions/Aggregates"),
            ["TYPE"] = ("types", "Types"),
            ["DOMAIN"] = ("types", "Types"),
            ["SCHEMA"] = ("schemata", "Security/Schemas"),
            ["EXTENSION"] = ("extensions", "Extensions"),
            ["SERVER"] = ("servers", "External Resources/Servers"),
            ["USER MAPPING"] = ("user_mappings", "Security/User Mappings"),
            ["FOREIGN DATA WRAPPER"] = ("foreign_data_wrappers", "External Resources/Wrappers"),
            ["DEFAULT PRIVILEGES"] = ("default_privileges", "Security/Default Privileges"),
            ["GRANT"] = ("grants", "Security/Grants"),
            ["COLLATION"] = ("collations", "Collations"),
            ["CONVERSION"] = ("conversions", "Conversions"),
            ["OPERATOR"] = ("operators", "Operators"),
            ["OPERATOR FAMILY"] = ("operator_families", "Operators/Families"),
            ["OPERATOR CLASS"] = ("operator_classes", "Operators/Classes"),
            ["TEXT SEARCH PARSER"] = ("text_search/parsers", "Text Search/Parsers"),
            ["TEXT SEARCH TEMPLATE"] = ("text_search/templates", "Text Search/Templates"),
            ["TEXT SEARCH DICTIONARY"] = ("text_search/dictionaries", "Text Search/Dictionaries"),
            ["TEXT SEARCH CONFIGURATION"] = ("text_search/configurations", "Text Search/Configurations"),
            ["CAST"] = ("casts", "Casts"),
            ["TRANSFORM"] = ("transforms", "Transforms"),
            ["PROCEDURAL LANGUAGE"] = ("languages", "Languages"),
            ["ACCESS METHOD"] = ("access_methods", "Access Methods"),
            ["EVENT TRIGGER"] = ("event_triggers", "Event Triggers"),
            ["PUBLICATION"] = ("publications", "Replication/Publications"),
            ["SUBSCRIPTION"] = ("subscriptions", "Replication/Subscriptions"),
            ["LARGE OBJECT"] = ("large_objects", "Large Objects"),
            ["DATABASE"] = ("", ""),
            ["ROLE"] = ("roles", "Security/Roles"),
            ["DATA"] = ("data", "Data"),
            ["TRIGGER"] = ("triggers", "Triggers"),
            ["RULE"] = ("rules", "Rules"),
            ["STATISTICS DATA"] = ("statistics", "Statistics"),
        };

        public static string Of(string kind, LayoutOptions layout)
        {
            if (layout.Folders.TryGetValue(kind, out var own))
                return own;
            if (!Names.TryGetValue(kind, out var names))
                names = ("other/" + Encoded(kind), "Other/" + Encoded(kind));
            return layout.Preset == LayoutPreset.Ssdt ? names.Ssdt : names.Original;
        }

        private static string Encoded(string kind) => FileNameEncoder.Encode(kind.Replace(' ', '_').ToLowerInvariant());
    }
}

/// <summary>What an encoded name must still obey to exist on every file system: length, reserved names, twins by letter case.</summary>
internal static class FileNames
{
    public const int MaximumBytes = 200;
    private const int KeptBytes = 180;

    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "CON", "PRN", "AUX", "NUL",
        "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
        "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
    };

    /// <summary>Applies the length and reserved-name rules to one path component without its extension.</summary>
    public static string Apply(string encoded) => Shorten(Unreserve(encoded.Length == 0 ? "~" : encoded));

    /// <summary>Whether a name can have a twin that differs only by case: it then carries a suffix when such a twin exists.</summary>
    public static bool HasUpperCase(string component) => component.Any(char.IsUpper);

    /// <summary>Six (or more) hexadecimal digits that depend only on the object's identity.</summary>
    public static string TwinSuffix(string identity, int digits = 6) => "~" + Hash(identity)[..digits];

    // Windows reserves CON.anything as well, hence the first part decides.
    private static string Unreserve(string component)
    {
        var dot = component.IndexOf('.', StringComparison.Ordinal);
        var first = dot < 0 ? component : component[..dot];
        return Reserved.Contains(first) ? first + "~" + component[first.Length..] : component;
    }

    private static string Shorten(string component)
    {
        if (Encoding.UTF8.GetByteCount(component) <= MaximumBytes)
            return component;
        var bytes = 0;
        var characters = 0;
        foreach (var rune in component.EnumerateRunes())
        {
            if (bytes + rune.Utf8SequenceLength > KeptBytes)
                break;
            bytes += rune.Utf8SequenceLength;
            characters += rune.Utf16SequenceLength;
        }
        return component[..characters] + "~" + Hash(component)[..16];
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>Keeps apart paths that a case-insensitive file system would take for one.</summary>
    /// <remarks>
    /// The lower-case one of a set of twins keeps its plain name; each of the others gets a suffix from its own identity, so the name of a file
    /// depends on which objects exist and never on their order.
    /// </remarks>
    /// <param name="files">Distinct (path without extension, identity) pairs; several identities may share one path on purpose.</param>
    /// <returns>The final path without extension for every path given.</returns>
    public static Dictionary<string, string> Resolve(IEnumerable<(string Path, string Identity)> files)
    {
        var groups = new Dictionary<string, SortedDictionary<string, string>>(StringComparer.Ordinal);
        foreach (var (path, identity) in files)
        {
            var folded = path.ToLowerInvariant();
            if (!groups.TryGetValue(folded, out var members))
                groups.Add(folded, members = new SortedDictionary<string, string>(StringComparer.Ordinal));
            if (!members.TryGetValue(path, out var known) || string.CompareOrdinal(identity, known) < 0)
                members[path] = identity;
        }
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var members in groups.Values)
            Settle(members, result);
        return result;
    }

    private static void Settle(SortedDictionary<string, string> members, Dictionary<string, string> result)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (path, identity) in members)
        {
            var final = members.Count > 1 && HasUpperCase(path) ? path + TwinSuffix(identity) : path;
            // Six equal digits of two hashes: astronomically rare, and still not allowed to lose a file.
            if (!taken.Add(final.ToLowerInvariant()))
                taken.Add(final = path + TwinSuffix(identity, 16));
            result[path] = final;
        }
    }
}
