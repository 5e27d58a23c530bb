namespace OmniPg.Extractor;

/// <summary>One entry of a schema: a statement group with its header, as it stands in a file. Immutable.</summary>
public sealed record SchemaEntry
{
    /// <summary>The object whose file holds the entry.</summary>
    public required SchemaObjectId SchemaObject { get; init; }

    /// <summary>Natural key, unique in the schema and independent of OIDs: <c>INDEX app.orders_pkey</c>.</summary>
    public required string Key { get; init; }

    /// <summary>Type text of pg_dump, for example <c>FK CONSTRAINT</c>.</summary>
    public required string Desc { get; init; }

    /// <summary>Schema of the entry, unquoted, or null.</summary>
    public string? Namespace { get; init; }

    /// <summary>Name of the entry, unquoted; for some kinds several names with spaces between.</summary>
    public string? Tag { get; init; }

    /// <summary>Owner, unquoted; null when it has none or owners were left out.</summary>
    public string? Owner { get; init; }

    /// <summary>Pass of the replay.</summary>
    public TocPass Pass { get; init; }

    /// <summary>Section of the dump.</summary>
    public TocSection Section { get; init; }

    /// <summary>File below the tree's root, with forward slashes.</summary>
    public required string File { get; init; }

    /// <summary>Position of the entry in its file, from 0.</summary>
    public int Ordinal { get; init; }

    /// <summary>The SQL text with its header comment, without trailing empty lines. For rows of data: the header and the COPY statement only.</summary>
    public required string Sql { get; init; }

    /// <summary>SHA-256 of the whole entry text in lower-case hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Keys of the entries this one needs; only those that are part of the schema.</summary>
    public IReadOnlyList<string> Dependencies { get; init; } = [];

    /// <summary>Whether passwords in it were replaced by <c>********</c>: it cannot be replayed without an <see cref="ISecretResolver"/>.</summary>
    public bool IsRedacted { get; init; }

    /// <summary>Whether it holds rows of data.</summary>
    public bool HasData { get; init; }

    /// <summary>Whether it is a second copy of an entry in another file (<see cref="FileCopies"/>).</summary>
    public bool IsCopy { get; init; }

    /// <summary>Whether the file's text differs from what the extraction wrote.</summary>
    public bool IsEdited { get; init; }

    /// <summary>Kind and name, for messages.</summary>
    public override string ToString() => Key;
}
