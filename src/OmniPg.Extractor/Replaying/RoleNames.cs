namespace OmniPg.Extractor;

/// <summary>Finds the roles that a statement of pg_dump names.</summary>
internal static class RoleNames
{
    private static readonly HashSet<string> Special = new(StringComparer.OrdinalIgnoreCase)
    {
        "PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER", "USER", "DEFAULT",
    };

    /// <param name="desc">Type of the entry: only some name roles, and a function's body must not be searched.</param>
    /// <param name="statement">One statement.</param>
    public static IReadOnlyList<string> In(string desc, string statement)
    {
        var reader = new SqlTokenReader(statement);
        var first = reader.Next();
        if (first.IsKeyword("ALTER"))
            return NewOwner(statement) is { } owner ? One(owner) : desc == "DEFAULT ACL" ? DefaultPrivileges(ref reader) : [];
        if (first.IsKeyword("GRANT"))
            return Grantees(ref reader, "TO");
        if (first.IsKeyword("REVOKE"))
            return Grantees(ref reader, "FROM");
        if (first.IsKeyword("SET"))
            return reader.Next().IsKeyword("SESSION") && reader.SkipTo("AUTHORIZATION") ? One(reader.Next()) : [];
        return desc switch
        {
            "POLICY" => Policy(ref reader),
            "USER MAPPING" => reader.SkipTo("FOR") ? One(reader.Next()) : [],
            _ => [],
        };
    }

    /// <summary>Whether a statement does nothing but give an object to another owner.</summary>
    public static bool IsOwnerChange(string statement) => NewOwner(statement) is not null;

    // ALTER … OWNER TO role: read as tokens, because names may hold these words.
    private static SqlToken? NewOwner(string statement)
    {
        if (!statement.StartsWith("ALTER ", StringComparison.Ordinal) || !statement.Contains(" OWNER TO ", StringComparison.Ordinal))
            return null;
        var reader = new SqlTokenReader(statement);
        while (reader.SkipTo("OWNER"))
        {
            if (reader.Next().IsKeyword("TO") && reader.Next() is { IsName: true } role)
                return reader.Next() is { Kind: SqlTokenKind.End } or { Kind: SqlTokenKind.Symbol, Text: ";" } ? role : null;
        }
        return null;
    }

    // ALTER DEFAULT PRIVILEGES FOR ROLE r IN SCHEMA s GRANT … TO m
    private static List<string> DefaultPrivileges(ref SqlTokenReader reader)
    {
        var names = new List<string>();
        if (reader.SkipTo("ROLE"))
            names.AddRange(One(reader.Next()));
        SqlToken token;
        while ((token = reader.Next()).Kind != SqlTokenKind.End)
        {
            if (token.IsKeyword("TO") || token.IsKeyword("FROM"))
                AddList(ref reader, names);
        }
        return names;
    }

    private static List<string> Grantees(ref SqlTokenReader reader, string keyword)
    {
        var names = new List<string>();
        // GRANT SELECT ON TABLE s."to" TO r: names in between are consumed as names only when quoted, which pg_dump does for keywords.
        if (reader.SkipTo(keyword))
            AddList(ref reader, names);
        return names;
    }

    private static List<string> Policy(ref SqlTokenReader reader)
    {
        var names = new List<string>();
        // CREATE POLICY name ON table … TO roles USING (…): the list ends where parentheses begin.
        reader.Next();
        reader.ReadName();
        SqlToken token;
        while ((token = reader.Next()).Kind != SqlTokenKind.End && !token.IsSymbol('('))
        {
            if (!token.IsKeyword("TO"))
                continue;
            AddList(ref reader, names);
            break;
        }
        return names;
    }

    private static void AddList(ref SqlTokenReader reader, List<string> names)
    {
        do
            names.AddRange(One(reader.Next()));
        while (reader.Next().IsSymbol(','));
    }

    private static string[] One(SqlToken token) =>
        token.IsName && !(token.Kind == SqlTokenKind.Word && Special.Contains(token.Text)) ? [token.Text] : [];
}
