namespace OmniPg.Extractor;

/// <summary>The content of a schema at one moment, from a tree, an archive or a database: what a comparison compares.</summary>
public sealed record SchemaSnapshot
{
    /// <summary>Versions it was read with.</summary>
    public required SchemaEnvironment Environment { get; init; }

    /// <summary>Entries in replay order, copies left out.</summary>
    public required IReadOnlyList<SchemaEntry> Entries { get; init; }

    /// <summary>What a reader should know: edited files, files without manifest entry.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Options that decided about the content, by name; see the manifest.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();

    /// <summary>The objects, each with its entries in replay order, sorted by kind and identity.</summary>
    public IEnumerable<IGrouping<SchemaObjectId, SchemaEntry>> Objects => Entries
        .GroupBy(static entry => entry.SchemaObject)
        .OrderBy(static group => group.Key.Kind, StringComparer.Ordinal)
        .ThenBy(static group => group.Key.Identity, StringComparer.Ordinal);
}
