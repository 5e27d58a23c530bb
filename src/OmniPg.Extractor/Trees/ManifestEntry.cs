namespace OmniPg.Extractor.Trees;

/// <summary>One entry of a tree in replay order. Properties stand in alphabetical order, which is the order of the file.</summary>
internal sealed record ManifestEntry
{
    public IReadOnlyList<string>? Dependencies { get; init; }

    public required string Desc { get; init; }

    public required string File { get; init; }

    public IReadOnlyList<string>? Flags { get; init; }

    public required string Key { get; init; }

    public string? Namespace { get; init; }

    public required string ObjectKind { get; init; }

    public required string ObjectName { get; init; }

    public string? ObjectSchema { get; init; }

    public int Ordinal { get; init; }

    public string? Owner { get; init; }

    public required string Pass { get; init; }

    public required string Section { get; init; }

    public required string Sha256 { get; init; }

    public string? Tag { get; init; }
}
