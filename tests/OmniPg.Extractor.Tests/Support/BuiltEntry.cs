namespace OmniPg.Extractor.Tests;

/// <summary>An entry for <see cref="ArchiveBuilder"/>, with the archive's own null and empty texts.</summary>
internal sealed record BuiltEntry(int DumpId, string Desc, string? Tag)
{
    public int Section { get; init; } = 2;

    public string? TableOid { get; init; } = "0";

    public string? Oid { get; init; } = "0";

    public string? Definition { get; init; }

    public string? Drop { get; init; }

    public string? Copy { get; init; }

    public string? Namespace { get; init; }

    public string? Tablespace { get; init; }

    public string? TableAm { get; init; }

    public char RelKind { get; init; }

    public string? Owner { get; init; } = "postgres";

    public string? WithOids { get; init; } = "false";

    public IReadOnlyList<string> Dependencies { get; init; } = [];

    /// <summary>Rows of a table, in the chunks in which they are written.</summary>
    public IReadOnlyList<byte[]>? Chunks { get; init; }

    public IReadOnlyList<(uint Oid, byte[] Content)>? LargeObjects { get; init; }

    public string? FileName { get; init; }

    public bool HasData => Chunks is not null || LargeObjects is not null || FileName is not null;
}
