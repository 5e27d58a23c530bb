namespace OmniPg.Extractor.Splitting;

/// <summary>The comment line that pg_dump writes above every entry: <c>-- Name: t; Type: TABLE; Schema: app; Owner: joe</c>.</summary>
internal sealed record BlockHeader(string Name, string Type, string? Namespace, string? Owner, string? Tablespace)
{
    private static readonly string[] Starts = ["-- Name: ", "-- Data for Name: ", "-- Statistics for Name: "];

    public static bool Announces(ReadOnlySpan<char> line)
    {
        foreach (var start in Starts)
        {
            if (line.StartsWith(start, StringComparison.Ordinal))
                return true;
        }
        return false;
    }

    /// <summary>Parses from the right, because a hostile object name may hold the separators.</summary>
    public static BlockHeader? Parse(string line)
    {
        var start = Array.Find(Starts, s => line.StartsWith(s, StringComparison.Ordinal));
        if (start is null)
            return null;
        var owner = line.LastIndexOf("; Owner: ", StringComparison.Ordinal);
        var schema = owner < 0 ? -1 : line.LastIndexOf("; Schema: ", owner, StringComparison.Ordinal);
        var type = schema < 0 ? -1 : line.LastIndexOf("; Type: ", schema, StringComparison.Ordinal);
        if (type < start.Length - 1)
            return null;
        var tail = line[(owner + 9)..];
        var space = tail.IndexOf("; Tablespace: ", StringComparison.Ordinal);
        return new BlockHeader(
            type < start.Length ? "" : line[start.Length..type],
            line[(type + 8)..schema],
            NullIfDash(line[(schema + 10)..owner]),
            NullIfDash(space < 0 ? tail : tail[..space]),
            space < 0 ? null : tail[(space + 14)..]);
    }

    private static string? NullIfDash(string text) => text is "-" or "" ? null : text;
}
