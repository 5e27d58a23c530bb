using OmniPg.Mimeo;

namespace OmniPg.Cli;

/// <summary>Columns of managed tables that do not fit their source any more.</summary>
internal static class MimeoDrift
{
    /// <summary>Compares tables; none named means all.</summary>
    public static async Task<int> RunAsync(CliSession session, IReadOnlyList<QualifiedName> tables, CancellationToken cancellationToken)
    {
        var mimeo = MimeoCommands.Open(session);
        if (tables.Count == 0)
            tables = [.. (await mimeo.ListAsync(cancellationToken)).Select(t => t.Target)];
        var (found, worst) = (new List<DriftResult>(), ExitCodes.Done);
        foreach (var table in tables)
        {
            try
            {
                found.Add(await mimeo.FindDriftAsync(table, cancellationToken));
            }
            // A source that is away keeps nobody from the others.
            catch (Exception error) when (error is MimeoException or ArgumentException or FormatException)
            {
                session.Error.WriteLine($"omnipg: {table}: {ErrorReport.OneLine(error)}");
                worst = ExitCodes.Failed;
            }
        }
        var rows = found.SelectMany(d => d.Columns.Select(c => (Of: d, c.Column, Difference: Text(c.Kind), c.SourceType, c.DestinationType, At: "", c.Statement))
            .Concat(d.SourceStatements.Select(s => (Of: d, Column: "", Difference: "in the queue", SourceType: (string?)null, DestinationType: (string?)null, At: d.From, Statement: (string?)s)))).ToArray();
        session.WriteList(
            ["Table", "Column", "Difference", "Type there", "Type here", "Run at", "Statement"],
            rows,
            r => [r.Of.Destination.ToString(), r.Column, r.Difference, r.SourceType, r.DestinationType, r.Statement is null ? null : r.At.Length == 0 ? "the destination" : $"source {r.At}", r.Statement],
            (json, row) =>
            {
                json.WriteString("destination", row.Of.Destination.ToString());
                json.WriteString("column", row.Column.Length == 0 ? null : row.Column);
                json.WriteString("difference", row.Difference);
                json.WriteString("sourceType", row.SourceType);
                json.WriteString("destinationType", row.DestinationType);
                json.WriteString("source", row.At.Length == 0 ? null : row.At);
                json.WriteString("statement", row.Statement);
            });
        return rows.Length > 0 ? Math.Max(worst, ExitCodes.Attention) : worst;
    }

    private static string Text(ColumnDriftKind kind) => kind switch
    {
        ColumnDriftKind.MissingHere => "missing here",
        ColumnDriftKind.MissingAtSource => "missing at the source",
        ColumnDriftKind.OtherType => "other type",
        ColumnDriftKind.NarrowerHere => "narrower here",
        _ => "generated here",
    };
}
