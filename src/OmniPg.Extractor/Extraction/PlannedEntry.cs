namespace OmniPg.Extractor.Extraction;

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
}
