namespace OmniPg.Extractor.Diffing;

/// <summary>An entry's text without what names its owner.</summary>
internal static class OwnerText
{
    private const string Field = "; Owner: ";

    public static string Without(string sql)
    {
        var headerEnd = sql.IndexOf("\n--\n", StringComparison.Ordinal);
        var owner = headerEnd < 0 ? -1 : sql.LastIndexOf(Field, headerEnd, StringComparison.Ordinal);
        if (owner < 0)
            return sql;
        var tablespace = sql.IndexOf("; Tablespace: ", owner, headerEnd - owner, StringComparison.Ordinal);
        var header = sql[..owner] + (tablespace < 0 ? "" : sql[tablespace..headerEnd]);
        return header + WithoutStatement(sql[headerEnd..]);
    }

    public static string WithoutHeader(string sql)
    {
        var headerEnd = sql.IndexOf("\n--\n", StringComparison.Ordinal);
        return headerEnd < 0 ? sql : sql[headerEnd..];
    }

    // The owner comes behind the definition; after it at most an access method. A body ends before, with its quote and semicolon.
    private static string WithoutStatement(string body)
    {
        var lines = body.Split('\n').ToList();
        for (var at = lines.Count - 1; at >= 0; at--)
        {
            var line = lines[at];
            if (line.StartsWith("ALTER ", StringComparison.Ordinal) && line.Contains(" OWNER TO ", StringComparison.Ordinal) && line.EndsWith(';'))
                lines.RemoveAt(at);
            else if (line.Length > 0 && !line.Contains(" SET ACCESS METHOD ", StringComparison.Ordinal))
                break;
        }
        return string.Join('\n', lines).TrimEnd('\n');
    }
}
