using OmniPg.Extractor.Splitting;

namespace OmniPg.Extractor.Replaying;

/// <summary>Which statements the server refuses inside a transaction.</summary>
internal static class TransactionRules
{
    public static bool RunsOutside(string statement)
    {
        var reader = new SqlTokenReader(statement);
        var (first, second) = (reader.Next(), reader.Next());
        if (first.IsKeyword("ALTER"))
            return second.IsKeyword("SYSTEM");
        if (first.IsKeyword("VACUUM"))
            return true;
        if (first.IsKeyword("CREATE") && second.IsKeyword("SUBSCRIPTION"))
            return CreatesSlot(statement);
        if (first.IsKeyword("CREATE") && (second.IsKeyword("DATABASE") || second.IsKeyword("TABLESPACE")))
            return true;
        return first.IsKeyword("CREATE") && (second.IsKeyword("INDEX") || second.IsKeyword("UNIQUE")) && IsConcurrent(second, ref reader);
    }

    private static bool IsConcurrent(SqlToken second, ref SqlTokenReader reader) =>
        (second.IsKeyword("UNIQUE") ? reader.SkipTo("INDEX") : true) && reader.Next().IsKeyword("CONCURRENTLY");

    // pg_dump writes connect = false, with which no slot is created; an edited file may say otherwise.
    private static bool CreatesSlot(string statement)
    {
        var reader = new SqlTokenReader(statement);
        while (reader.SkipTo("WITH"))
        {
            for (var token = reader.Next(); token.Kind != SqlTokenKind.End; token = reader.Next())
            {
                var isOff = token.IsKeyword("connect") || token.IsKeyword("create_slot");
                if (isOff && reader.Next().IsSymbol('=') && reader.Next() is var value && (value.IsKeyword("false") || value.Text is "'false'" or "'off'"))
                    return false;
            }
        }
        return true;
    }
}
