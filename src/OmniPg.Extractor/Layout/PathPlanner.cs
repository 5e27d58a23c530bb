namespace OmniPg.Extractor.Layout;

/// <summary>Decides the path of every object, twins by letter case kept apart.</summary>
internal sealed class PathPlanner(LayoutOptions layout)
{
    public const string Extension = ".sql";

    private readonly List<(string Path, string Identity)> _files = [];
    private Dictionary<string, string>? _final;

    /// <summary>Registers an object and returns its preliminary path, to be given to <see cref="Final"/> when all are known.</summary>
    public string Add(SchemaObjectId id, TocEntry? entry)
    {
        var path = PathOf(id, FileStem.Of(id, entry, layout.Routines), layout.Preset);
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

    public string Final(string path) => (_final ??= TwinNames.Resolve(_files))[path] + Extension;

    private string PathOf(SchemaObjectId id, string stem, LayoutPreset preset)
    {
        var folder = ObjectFolders.Of(id.Kind, layout);
        var schema = id.Kind == "SCHEMA" ? id.Name : id.Schema;
        var schemaFolder = schema is null ? null : FileNameRules.Apply(FileNameEncoder.Encode(schema));
        var qualified = id.Schema is null ? stem : $"{FileNameEncoder.Encode(id.Schema)}.{stem}";
        return preset switch
        {
            LayoutPreset.Flat => FileNameRules.Apply(Join('.', folder.Replace('/', '.'), qualified)),
            LayoutPreset.PerObjectType => folder.Length == 0 ? stem : folder,
            LayoutPreset.PerSchema => schemaFolder ?? (folder.Length == 0 ? stem : "_" + folder),
            LayoutPreset.Ssdt => id.Schema is null
                ? Join('/', folder, FileNameRules.Apply(stem))
                : Join('/', schemaFolder!, folder, FileNameRules.Apply(stem)),
            _ when !layout.SchemaDirectories || schemaFolder is null => Join('/', folder, FileNameRules.Apply(qualified)),
            _ when id.Kind == "SCHEMA" => Join('/', schemaFolder, schemaFolder),
            _ => Join('/', schemaFolder, folder, FileNameRules.Apply(qualified)),
        };
    }

    private static string Join(char separator, params ReadOnlySpan<string> parts)
    {
        var path = "";
        foreach (var part in parts)
            path = part.Length == 0 ? path : path.Length == 0 ? part : path + separator + part;
        return path;
    }
}
