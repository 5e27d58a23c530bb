namespace OmniPg.Extractor;

/// <summary>Folders and file names of a tree.</summary>
public sealed class LayoutOptions
{
    /// <summary>How objects are spread over files. Default <see cref="LayoutPreset.PerKind"/>.</summary>
    public LayoutPreset Preset { get; set; }

    /// <summary>Level below the given directory, named after the host (<c>--hostnamedir</c>). Default: none.</summary>
    public string HostDirectory { get; set; } = "";

    /// <summary>
    /// Level named after the database (<c>--dbnamedir</c>): a name, <see langword="null"/> for the name of the dumped database, or empty for no
    /// such level. Default: empty, so that the directory given is the tree that <see cref="SchemaExtractor.OpenTree"/> opens.
    /// </summary>
    public string? DatabaseDirectory { get; set; } = "";

    /// <summary>Whether a folder per schema stands above the folders per kind (<c>--schemadir</c>); only with <see cref="LayoutPreset.PerKind"/>. Default false.</summary>
    public bool SchemaDirectories { get; set; }

    /// <summary>Whether each overload of a routine has a file of its own. Default false: one file per name, as the original.</summary>
    public bool FilePerSignature { get; set; }

    /// <summary>Other folder names by kind, for example <c>["TABLE"] = "table"</c>; kinds are those of <see cref="SchemaObjectId.Kind"/>. Default: none.</summary>
    public IDictionary<string, string> Folders { get; set; } = new Dictionary<string, string>(StringComparer.Ordinal);

    internal string RootBelow(string directory, string database)
    {
        var root = directory;
        if (HostDirectory.Length > 0)
            root = Path.Combine(root, FileNameEncoder.Encode(HostDirectory));
        var name = DatabaseDirectory ?? database;
        return name.Length > 0 ? Path.Combine(root, FileNameEncoder.Encode(name)) : root;
    }
}

/// <summary>How objects are spread over files.</summary>
public enum LayoutPreset
{
    /// <summary><c>tables/app.orders.sql</c>: a folder per kind, a file per object, as the original. The default.</summary>
    PerKind,

    /// <summary><c>app/Tables/orders.sql</c>: as database projects of SQL Server tools; what lives outside schemas is in <c>Security/</c> and other folders.</summary>
    Ssdt,

    /// <summary><c>app.sql</c>: a file per schema; what lives outside schemas has a file per kind.</summary>
    PerSchema,

    /// <summary><c>tables.sql</c>: a file per kind.</summary>
    PerObjectType,

    /// <summary><c>tables.app.orders.sql</c>: a file per object, all in one folder.</summary>
    Flat,
}
