namespace OmniPg.Extractor;

/// <summary>Finds in an entry's SQL the name of the relation, domain or publication that the entry belongs to.</summary>
/// <remarks>Tags are no help: <c>table name</c> cannot be split when a name holds a space.</remarks>
internal static class TargetName
{
    public static (string? Schema, string Name)? Of(TocEntry entry)
    {
        var definition = entry.Definition;
        if (string.IsNullOrEmpty(definition))
            return null;
        var reader = new SqlTokenReader(definition);
        var first = reader.Next();
        if (first.IsKeyword("ALTER"))
            return AfterAlter(ref reader);
        return first.IsKeyword("CREATE") ? AfterCreate(entry.Kind, ref reader) : null;
    }

    /// <summary>The name behind a statement's leading keywords, as in <c>DROP FUNCTION app."f(x"(integer);</c>.</summary>
    public static (string? Schema, string Name)? AfterKeywords(string? statement, int keywords)
    {
        if (string.IsNullOrEmpty(statement))
            return null;
        var reader = new SqlTokenReader(statement);
        for (var i = 0; i < keywords; i++)
            reader.Next();
        return reader.ReadName();
    }

    /// <summary>The table in <c>ALTER SEQUENCE s OWNED BY schema.table.column</c>.</summary>
    public static (string? Schema, string Name)? OwnerOfSequence(TocEntry entry)
    {
        var reader = new SqlTokenReader(entry.Definition ?? "");
        return reader.SkipTo("OWNED") && reader.SkipTo("BY") ? reader.ReadName() : null;
    }

    // ALTER TABLE|DOMAIN|PUBLICATION name …, ALTER INDEX parent ATTACH PARTITION child, ALTER SEQUENCE s OWNED BY …
    private static (string? Schema, string Name)? AfterAlter(ref SqlTokenReader reader)
    {
        var what = reader.Next();
        if (what.IsKeyword("FOREIGN"))
            reader.Next();
        if (what.IsKeyword("INDEX"))
            return reader.SkipTo("PARTITION") ? reader.ReadName() : null;
        return reader.ReadName();
    }

    private static (string? Schema, string Name)? AfterCreate(TocKind kind, ref SqlTokenReader reader)
    {
        switch (kind)
        {
            case TocKind.Rule:
                return AfterCreateRule(ref reader);
            case TocKind.Statistics:
                return LastFrom(ref reader);
            case TocKind.Index:
                // The index name itself comes before ON and may be any word.
                if (!reader.SkipTo("INDEX"))
                    return null;
                reader.ReadName();
                return reader.SkipTo("ON") ? reader.ReadName() : null;
            case TocKind.Trigger or TocKind.Policy:
                reader.SkipTo(kind == TocKind.Trigger ? "TRIGGER" : "POLICY");
                reader.ReadName();
                return reader.SkipTo("ON") ? reader.ReadName() : null;
            default:
                return null;
        }
    }

    // CREATE RULE name AS ON event TO table …, or the second half of a split view: CREATE OR REPLACE VIEW name AS …
    private static (string? Schema, string Name)? AfterCreateRule(ref SqlTokenReader reader)
    {
        var token = reader.Next();
        if (token.IsKeyword("OR"))
            return reader.SkipTo("VIEW") ? reader.ReadName() : null;
        reader.ReadName();
        return reader.SkipTo("TO") ? reader.ReadName() : null;
    }

    private static (string? Schema, string Name)? LastFrom(ref SqlTokenReader reader)
    {
        (string? Schema, string Name)? found = null;
        while (reader.SkipTo("FROM"))
            found = reader.ReadName() ?? found;
        return found;
    }
}
