namespace OmniPg.Extractor.Trees;

/// <summary>Everything of the manifest but the entries. Properties stand in alphabetical order, which is the order of the file.</summary>
internal record ManifestHead
{
    public string? ArchiveVersion { get; init; }

    /// <summary>Files that belong to the tree without holding entries, such as roles.</summary>
    public IReadOnlyList<string>? AttachedFiles { get; init; }

    public string? Encoding { get; init; }

    public SortedDictionary<string, string>? Extensions { get; init; }

    public required int Format { get; init; }

    public SortedDictionary<string, string>? Options { get; init; }

    public string? PgDump { get; init; }

    public string? Server { get; init; }

    /// <summary>Settings under which the text was written and must be replayed.</summary>
    public SortedDictionary<string, string>? Session { get; init; }

    /// <summary>Files of earlier runs whose objects are gone and which nobody asked to delete: no longer part of the schema.</summary>
    public IReadOnlyList<string>? Stale { get; init; }
}
