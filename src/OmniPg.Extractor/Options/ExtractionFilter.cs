using System.Text;

namespace OmniPg.Extractor;

/// <summary>Which objects an extraction writes, by schema, name, signature and owner. An object must pass every filter that concerns it.</summary>
/// <remarks>What belongs to an object (indexes, grants, comments, owned sequences) follows it and is not looked at by itself.</remarks>
public sealed class ExtractionFilter
{
    internal const string ForeignDataName = "foreign_data";

    /// <summary>Creates a filter that lets everything pass.</summary>
    public ExtractionFilter()
    {
        Schemas = new NameFilter(this, "schema", static text => Pattern(text, "schema pattern"));
        Tables = new NameFilter(this, "table", QualifiedOrBare);
        Views = new NameFilter(this, "view", QualifiedOrBare);
        Routines = new NameFilter(this, "routine", Exact);
        Owners = new NameFilter(this, "owner", Exact);
        Names = new NameFilter(this, "name", Exact);
        Extensions = new NameFilter(this, "extension", static text => Pattern(text, "extension pattern"));
        TableData = new NameFilter(this, "table_data", QualifiedOrBare);
        ForeignData = new NameFilter(this, ForeignDataName, static _ => static _ => true);
    }

    /// <summary>Schemas, as patterns of psql (<c>-n</c>, <c>-N</c>): <c>*</c> and <c>?</c>, lower case unless quoted. Objects outside schemas pass.</summary>
    public NameFilter Schemas { get; }

    /// <summary>Tables and foreign tables as <c>schema.name</c>, unquoted and case-sensitive (<c>-t</c>, <c>-T</c>); a bare name means any schema.</summary>
    public NameFilter Tables { get; }

    /// <summary>Views and materialized views, written like tables (<c>-v</c>, <c>-V</c>).</summary>
    public NameFilter Views { get; }

    /// <summary>Routines as <c>schema.name(type, type)</c>: argument types only, separated by comma and space (<c>-pf</c>, <c>-Pf</c>).</summary>
    public NameFilter Routines { get; }

    /// <summary>Owners of objects of every kind (<c>-o</c>, <c>-O</c>); an object without owner passes only when no owner is included.</summary>
    public NameFilter Owners { get; }

    /// <summary>Unqualified names of objects of every kind; use expressions here (<c>-rf</c>, <c>-Rf</c>).</summary>
    public NameFilter Names { get; }

    /// <summary>Extensions, as patterns of psql (<c>--extension</c>, <c>--exclude-extension</c> of newer pg_dump).</summary>
    public NameFilter Extensions { get; }

    /// <summary>Tables whose rows are written, like <see cref="Tables"/> (<c>--exclude-table-data</c>); needs <see cref="ExtractionOptions.Data"/>.</summary>
    public NameFilter TableData { get; }

    /// <summary>
    /// Foreign servers, as patterns of psql, whose foreign tables' rows are written too (<c>--include-foreign-data</c>). Inclusions only: pg_dump
    /// evaluates them and fails on one without a server. Empty, the default, writes none. Needs <see cref="ExtractionOptions.Data"/> and a server.
    /// </summary>
    public NameFilter ForeignData { get; }

    /// <summary>Adds the rules of a filter file in the syntax of pg_dump 17 (<c>--filter</c>), which works here with every pg_dump.</summary>
    /// <param name="path">
    /// Lines of <c>include</c> or <c>exclude</c>, a kind and a pattern. Kinds of pg_dump: schema, table, table_and_children, table_data,
    /// table_data_and_children, extension, foreign_data; and here also view, routine, owner, name. Names in double quotes may go over several lines.
    /// </param>
    /// <returns>This filter.</returns>
    /// <exception cref="ExtractorOptionException">The file cannot be read, or a line is not understood; nothing before it is taken back.</exception>
    public ExtractionFilter AddFilterFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        DumpFilterFile.Add(path, this);
        return this;
    }

    internal IEnumerable<NameFilter> All => [Schemas, Tables, Views, Routines, Owners, Names, Extensions, TableData, ForeignData];

    internal IReadOnlyList<string> Unmatched() => [.. All.Where(static filter => filter.Name != ForeignDataName).SelectMany(static filter => filter.Unmatched())];

    private static Func<string, bool> Pattern(string text, string option)
    {
        var pattern = NamePattern.FromPsql(text, option);
        return name => NamePattern.Matches(pattern, name, option);
    }

    private static Func<string, bool> Exact(string text) => name => string.Equals(name, text, StringComparison.Ordinal);

    // The names arrive as "schema.name"; an item without a dot matches the part behind the first one, as in PG Extractor 1.x.
    private static Func<string, bool> QualifiedOrBare(string text) => text.Contains('.', StringComparison.Ordinal)
        ? Exact(text)
        : name => name.AsSpan(name.IndexOf('.', StringComparison.Ordinal) + 1).SequenceEqual(text);

    /// <summary>Filter files of pg_dump 17 (<c>--filter</c>), evaluated here so that they work with every pg_dump.</summary>
    /// <remarks>
    /// A line is <c>include|exclude</c>, a kind and a pattern; <c>#</c> starts a comment. Beyond pg_dump's kinds there are view, routine, owner and name.
    /// Which kinds can be included and which excluded is as in pg_dump's <c>filter.c</c>.
    /// </remarks>
    private static class DumpFilterFile
    {
        public static void Add(string path, ExtractionFilter filter)
        {
            foreach (var (number, text) in FilterLines.Read(ReadAll(path)))
            {
                if (text.Length == 0)
                    continue;
                var words = text.Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries);
                if (words.Length < 3 || words[0] is not ("include" or "exclude") || HasOpenQuote(text) || !IsOneName(words))
                    throw Wrong(path, number, text);
                var include = words[0] == "include";
                if (words[1] is "table_data" or "table_data_and_children" && include || words[1] == "foreign_data" && !include)
                    throw new ExtractorOptionException("filter", $"Line {number} of the filter file '{path}' cannot be: '{words[0]}' is not allowed for '{words[1]}'.",
                        "Rows can be excluded per table, and included per foreign server.");
                Add(filter, include, words[1], words[2], () => Wrong(path, number, text));
            }
        }

        private static void Add(ExtractionFilter filter, bool include, string kind, string pattern, Func<Exception> wrong)
        {
            var (names, isQualified) = kind switch
            {
                "schema" => (filter.Schemas, false),
                "table" or "table_and_children" => (filter.Tables, true),
                "table_data" or "table_data_and_children" => (filter.TableData, true),
                "view" => (filter.Views, true),
                "routine" => (filter.Routines, false),
                "extension" => (filter.Extensions, false),
                "foreign_data" => (filter.ForeignData, false),
                "owner" => (filter.Owners, false),
                "name" => (filter.Names, true),
                _ => throw wrong(),
            };
            if (isQualified)
                names.AddRegex(include, QualifiedPattern(pattern), kind.EndsWith("_and_children", StringComparison.Ordinal));
            else if (include)
                names.Include(pattern);
            else
                names.Exclude(pattern);
        }

        // A pattern with a dot is schema.name; one without means any schema.
        private static string QualifiedPattern(string pattern)
        {
            var dot = DotOutsideQuotes(pattern);
            var name = NamePattern.ToExpression((dot < 0 ? pattern : pattern[(dot + 1)..]).Trim());
            return dot < 0 ? $@"^(?:[^.]*\.)?(?:{name})$" : $@"^(?:{NamePattern.ToExpression(pattern[..dot].Trim())})\.(?:{name})$";
        }

        private static int DotOutsideQuotes(string pattern)
        {
            var quoted = false;
            for (var at = 0; at < pattern.Length; at++)
            {
                if (pattern[at] == '"')
                    quoted = !quoted;
                else if (pattern[at] == '.' && !quoted)
                    return at;
            }
            return -1;
        }

        // As in pg_dump's read_pattern: a blank ends a name unless a dot stands beside it. Arguments of routines and expressions may hold blanks.
        private static bool IsOneName(string[] words)
        {
            if (words[1] is "routine" or "name")
                return true;
            var (quoted, parentheses) = (false, 0);
            var pattern = words[2].Trim();
            for (var at = 0; at < pattern.Length; at++)
            {
                var c = pattern[at];
                if (c == '"')
                    quoted = !quoted;
                else if (!quoted && c is '(' or '[')
                    parentheses++;
                else if (!quoted && c is ')' or ']')
                    parentheses--;
                else if (!quoted && parentheses == 0 && char.IsWhiteSpace(c) && !pattern.AsSpan(0, at).TrimEnd().EndsWith(".") && !pattern.AsSpan(at).TrimStart().StartsWith("."))
                    return false;
            }
            return true;
        }

        private static bool HasOpenQuote(string text) => text.Count(static c => c == '"') % 2 == 1;

        private static string ReadAll(string path)
        {
            try
            {
                return File.ReadAllText(path, Encoding.UTF8);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new ExtractorOptionException("filter", $"The filter file '{path}' cannot be read: {error.Message}", innerException: error);
            }
        }

        private static ExtractorOptionException Wrong(string path, int number, string line) => new("filter",
            $"Line {number} of the filter file '{path}' is not understood: '{line}'.",
            "Write include or exclude, then schema, table, table_and_children, table_data, table_data_and_children, extension, foreign_data, view, routine, "
            + "owner or name, then a pattern.");

        /// <summary>Cuts a filter file of pg_dump into rules, by quotes: a quoted name may hold <c>#</c> and line ends, a comment may hold a quote.</summary>
        private static class FilterLines
        {
            /// <returns>Each rule without its comment, and the number of its first line. A name that is still open at the end of the text ends there.</returns>
            public static IEnumerable<(int Number, string Text)> Read(string text)
            {
                var rule = new StringBuilder();
                var (quoted, comment, line, start) = (false, false, 1, 1);
                foreach (var c in text.ReplaceLineEndings("\n"))
                {
                    if (c == '\n' && !quoted)
                    {
                        yield return (start, rule.ToString().Trim());
                        rule.Clear();
                        (comment, start) = (false, line + 1);
                    }
                    else if (!comment)
                    {
                        comment = c == '#' && !quoted;
                        quoted ^= c == '"';
                        if (!comment)
                            rule.Append(c);
                    }
                    if (c == '\n')
                        line++;
                }
                yield return (start, rule.ToString().Trim());
            }
        }
    }
}
