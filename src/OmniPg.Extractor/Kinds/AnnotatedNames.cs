namespace OmniPg.Extractor.Kinds;

/// <summary>What a comment, label or grant is about when the dump holds no entry for it: the tag says it.</summary>
internal static class AnnotatedNames
{
    // Tags of pg_dump: "TABLE t", "COLUMN t.c", "SCHEMA s", "TRIGGER x ON t" … Only those that can name an object with a file.
    public static SchemaObjectId? Find(TocEntry entry, IReadOnlyDictionary<(string?, string), TocEntry> relations)
    {
        var tag = entry.Tag ?? "";
        if (After(tag, "SCHEMA ") is { } schema)
            return new SchemaObjectId("SCHEMA", null, schema);
        if (After(tag, "LARGE OBJECT ") is not null || After(tag, "LARGE OBJECTS ") is not null)
            return new SchemaObjectId(RootResolver.LargeObjectKind, null, "large objects");
        if (After(tag, "TABLE ") is { } table && relations.TryGetValue((entry.Namespace, table), out var found))
            return new SchemaObjectId(found.Desc, found.Namespace, table);
        return After(tag, "EXTENSION ") is { } extension ? new SchemaObjectId("EXTENSION", null, extension) : null;
    }

    private static string? After(string tag, string start) => tag.StartsWith(start, StringComparison.Ordinal) ? tag[start.Length..] : null;
}
