using OmniPg.Extractor.Splitting;

namespace OmniPg.Extractor.Replaying;

/// <summary>An entry with its statements, secrets put in.</summary>
internal sealed record ReplayEntry(SchemaEntry Entry, string Sql)
{
    public IReadOnlyList<SqlStatement> Statements { get; } = StatementSplitter.Split(Sql);

    public bool ChangesDefaults => Statements.Any(static s => s.Text.StartsWith("SET default_table", StringComparison.Ordinal));
}
