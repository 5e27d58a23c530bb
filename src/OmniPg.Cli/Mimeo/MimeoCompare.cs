using System.CommandLine;
using System.Globalization;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

internal static class MimeoCompare
{
    private static readonly Argument<string> Destination = new("DEST") { Description = "The table here, with a key: updater, dml, logdel or logical" };

    private static readonly Option<bool> Repair = new("--repair") { Description = "Put the source's rows in their place, here only and in one transaction" };

    private static readonly Option<int?> Most = new("--max") { Description = "Most rows that are named. Default 1000", HelpName = "N" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "compare", "Which rows of a table differ from those of its source, but for those that the next refresh brings; exit code 1 where some do", "omnipg mimeo compare dw.orders --repair", RunAsync,
        Destination, Repair, Most);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Most) is < 0 or > 1_000_000)
            throw new UsageException("--max must be 0 to 1000000.");
        var options = new ComparisonOptions();
        options.MaxRows = session.Get(Most) ?? options.MaxRows;
        var (table, mimeo) = (MimeoCommands.NameOf(session.NotEmpty(Destination)), MimeoCommands.Open(session));
        var result = session.Get(Repair) ? await mimeo.RepairAsync(table, options, cancellationToken) : await mimeo.CompareAsync(table, options, cancellationToken);
        foreach (var warning in result.Warnings)
            session.Error.WriteLine($"omnipg: {warning}");
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("destination", result.Destination.ToString());
                json.WriteBoolean("equal", result.IsEqual);
                json.WriteBoolean("repaired", result.IsRepaired);
                json.WriteNumber("sourceRows", result.SourceRows);
                json.WriteNumber("destinationRows", result.DestinationRows);
                json.WriteNumber("missingHere", result.MissingHere);
                json.WriteNumber("missingAtSource", result.MissingAtSource);
                json.WriteNumber("otherValues", result.Different);
                json.WriteStartArray("rows");
                foreach (var row in result.Rows)
                {
                    json.WriteStartObject();
                    json.WriteString("key", row.Key);
                    json.WriteString("difference", Text(row.Kind));
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            });
        }
        else
        {
            if (result.Rows.Count > 0)
                session.WriteTable(["Key", "Difference"], result.Rows.Select(r => (string?[])[r.Key, Text(r.Kind)]));
            var differences = string.Create(CultureInfo.InvariantCulture, $"{JobText.Counted(result.MissingHere, "row")} missing here, {result.MissingAtSource} missing at the source, {result.Different} with other values");
            session.Out.WriteLine(result.IsEqual ? $"'{table}' is equal to its source: {result.DestinationRows.ToString(CultureInfo.InvariantCulture)} rows"
                : result.IsRepaired ? $"'{table}' differed from its source and is repaired: {differences}" : $"'{table}' differs from its source: {differences}");
        }
        return (result.IsEqual || result.IsRepaired) && result.Warnings.Count == 0 ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static string Text(RowDifferenceKind kind) => kind switch
    {
        RowDifferenceKind.MissingHere => "missing here",
        RowDifferenceKind.MissingAtSource => "missing at the source",
        _ => "other values",
    };
}
