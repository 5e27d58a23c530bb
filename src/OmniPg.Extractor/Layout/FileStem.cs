using OmniPg.Extractor.Kinds;
using OmniPg.Extractor.Splitting;

namespace OmniPg.Extractor.Layout;

/// <summary>Encoded name of an object's file without folder, schema and extension.</summary>
internal static class FileStem
{
    /// <param name="id">The object.</param>
    /// <param name="entry">Its own entry; null when the dump holds only what hangs on it.</param>
    /// <param name="routines">How overloads are spread.</param>
    public static string Of(SchemaObjectId id, TocEntry? entry, RoutineFiles routines) => id.Kind switch
    {
        "FUNCTION" or "PROCEDURE" or "AGGREGATE" when routines == RoutineFiles.PerName => FileNameEncoder.Encode(BaseName(id, entry)),
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
