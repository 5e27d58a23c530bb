namespace OmniPg.Mimeo;

/// <summary>A short text that changes whenever rows of a table may have changed since it was last asked for.</summary>
/// <remarks>
/// Counters of writes are summed over the leaves of a partitioned table; TRUNCATE and rewrites move no counter and show by the files of the leaves; restart and
/// reset of the counters show by their times. Where counters tell nothing (standby, counting turned off, view, a condition whose rows may change without a
/// write) there is no token, and the rows are read. It has to be read before the snapshot of the copy: a commit in between is then copied and shows as a change
/// next time, too.
/// </remarks>
internal static class ChangeToken
{
    private const string Sql =
        """
        WITH RECURSIVE leaf AS (
            SELECT c.oid, c.relkind, pg_catalog.pg_relation_filenode(c.oid) AS file FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2
            UNION ALL
            SELECT c.oid, c.relkind, pg_catalog.pg_relation_filenode(c.oid) FROM leaf l JOIN pg_catalog.pg_inherits i ON i.inhparent = l.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid)
        SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() AND pg_catalog.current_setting('track_counts')::boolean AND count(*) > 0 AND bool_and(relkind IN ('r', 'p', 'm'))
            THEN pg_catalog.md5(concat_ws('|', pg_catalog.pg_postmaster_start_time(), (SELECT stats_reset FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()), $3, pg_catalog.current_setting('TimeZone'),
                string_agg(concat_ws(' ', oid, file, pg_catalog.pg_stat_get_tuples_inserted(oid), pg_catalog.pg_stat_get_tuples_updated(oid), pg_catalog.pg_stat_get_tuples_deleted(oid),
                    (SELECT string_agg(concat_ws(' ', a.attname, a.atttypid, a.atttypmod), ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = leaf.oid AND a.attnum > 0 AND NOT a.attisdropped)), ';' ORDER BY oid))) END
        FROM leaf
        """;

    /// <summary>Reads the token outside of any snapshot; null when there is none.</summary>
    public static async Task<string?> ReadAsync(PgSession source, ReplicationSpec spec)
    {
        // An expression may have another value without a write.
        if (spec.Expressions.Count > 0 || spec.Condition is { } condition && !await FixedCondition.HoldsAsync(source, spec.Source, condition).ConfigureAwait(false))
            return null;
        var own = string.Join('|', (string?[])[spec.From, SpecTable.Text(spec.Source), spec.Condition, .. spec.Columns]);
        return await source.ScalarAsync(Sql, PgParameter.Text(spec.Source.Schema!.Value.Value), PgParameter.Text(spec.Source.Name.Value), PgParameter.Text(own)).ConfigureAwait(false) as string;
    }

    /// <summary>Whether a condition takes the same rows as long as nothing is written: a proof from its text, which no other text than the simplest passes.</summary>
    /// <remarks>
    /// It may hold columns, numbers, plain strings without the words that the server reads as the present time (src/backend/utils/adt/datetime.c, datetktbl),
    /// comparisons and arithmetic; columns whose binary form is that of every server, but times of day with a zone, for which a text without one means today's. No function, cast, query or comment; nor a name behind a dot that is no column, for that may be a function, too.
    /// </remarks>
    private sealed class FixedCondition(string text, string table, HashSet<string> columns)
    {
        // The server's own are immutable between its own types, but for the session's time zone. Whether somebody has added others is for the server to say.
        private const string OtherOperators =
            """
            SELECT EXISTS (SELECT FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
                WHERE o.oprnamespace <> 'pg_catalog'::pg_catalog.regnamespace AND p.provolatile <> 'i' AND o.oprname = ANY ('{=,<>,<,<=,>,>=,+,-,*,/,~~,!~~,~~*,!~~*}'))
            """;

        private static readonly string[] Operators = ["=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/"];
        private static readonly string[] Words = ["where", "and", "or", "not", "in", "is", "null", "true", "false", "between", "like", "ilike"];
        private static readonly string[] BeforeParenthesis = ["where", "and", "or", "not", "in", "between"];
        private static readonly string[] Present = ["now", "today", "tomorrow", "yesterday"];

        // Unquoted they are what the session knows, even where a column is called so.
        private static readonly string[] OfTheSession = ["user", "session_user", "system_user", "localtime", "localtimestamp"];

        // The first character of the word, name, string, number, operator or sign before; blanks are none.
        private char _before;

        /// <summary>Looks at text and catalog.</summary>
        /// <param name="source">The source.</param>
        /// <param name="table">Whose rows.</param>
        /// <param name="condition">As it stands behind the table's name.</param>
        public static async Task<bool> HoldsAsync(PgSession source, QualifiedName table, string condition)
        {
            if (await RelationInfo.FindAsync(source, table).ConfigureAwait(false) is not { } relation)
                return false;
            return new FixedCondition(condition.Trim(), table.Name.Value, [.. relation.Columns.Where(c => c.IsBinarySafe && !c.BaseType.StartsWith("time with time zone", StringComparison.Ordinal)).Select(c => c.Name.Value)]).IsSimple()
                && await source.ScalarAsync(OtherOperators).ConfigureAwait(false) is false;
        }

        private bool IsSimple()
        {
            if (!text.StartsWith("where", StringComparison.OrdinalIgnoreCase))
                return false;
            for (var at = 0; at < text.Length;)
            {
                var first = text[at];
                at = SqlScanner.IsBlank(first) ? at + 1 : EndOfToken(at, first);
                if (at < 0)
                    return false;
                if (!SqlScanner.IsBlank(first))
                    _before = first;
            }
            return true;
        }

        // Behind what begins there; -1 where it may not stand there.
        private int EndOfToken(int at, char first) => first switch
        {
            '_' or (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') => EndOfWord(at),
            '"' => EndOfName(at),
            '\'' => EndOfString(at),
            >= '0' and <= '9' => End(at, c => char.IsAsciiDigit(c) || c == '.'),
            '=' or '<' or '>' or '!' or '+' or '-' or '*' or '/' => EndOfOperator(at),
            '(' or ')' or ',' or '.' => at + 1,
            _ => -1,
        };

        private int EndOfWord(int from)
        {
            var at = End(from, c => char.IsAsciiLetterOrDigit(c) || c is '_' or '$');
            var word = text[from..at].ToLowerInvariant();
            // A quote right behind a letter begins a string of another kind.
            if (at < text.Length && text[at] is '\'' or '"' or '&' or >= '\u0080')
                return -1;
            if (_before != '.' && Words.Contains(word))
                return Next(at) == '(' && !BeforeParenthesis.Contains(word) ? -1 : at;
            var ofTheSession = OfTheSession.Contains(word) || word.StartsWith("current_", StringComparison.Ordinal);
            return !ofTheSession && IsName(word, at) ? at : -1;
        }

        private int EndOfName(int from)
        {
            var at = Quoted(from);
            return at >= 0 && IsName(text[(from + 1)..(at - 1)].Replace("\"\"", "\"", StringComparison.Ordinal), at) ? at : -1;
        }

        private int EndOfString(int from)
        {
            var at = Quoted(from);
            // Two strings in a row are one.
            if (at < 0 || _before == '\'')
                return -1;
            var quoted = text[from..at];
            return quoted.Contains('\\', StringComparison.Ordinal) || Present.Any(w => quoted.Contains(w, StringComparison.OrdinalIgnoreCase)) ? -1 : at;
        }

        private int EndOfOperator(int from)
        {
            var at = End(from, "=<>!+-*/~@#%^&|`?".Contains);
            return Operators.Contains(text[from..at]) ? at : -1;
        }

        private bool IsName(string name, int end) => Next(end) switch
        {
            '(' => false,
            '.' when _before != '.' => name == table,
            _ => columns.Contains(name),
        };

        private char Next(int at)
        {
            at = End(at, SqlScanner.IsBlank);
            return at < text.Length ? text[at] : '\0';
        }

        private int End(int at, Func<char, bool> belongs)
        {
            while (at < text.Length && belongs(text[at]))
                at++;
            return at;
        }

        // Behind the closing quote; -1 where there is none. A doubled one is part of the text.
        private int Quoted(int at)
        {
            for (var quote = text[at++]; at < text.Length; at++)
            {
                if (text[at] != quote)
                    continue;
                if (at + 1 == text.Length || text[at + 1] != quote)
                    return at + 1;
                at++;
            }
            return -1;
        }
    }
}
