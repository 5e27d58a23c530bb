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
}
