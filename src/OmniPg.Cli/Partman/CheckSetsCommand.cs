using System.CommandLine;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class CheckSetsCommand
{
    public static Command Create(CliHost host) => CliCommand.Create(
        host, "check", "What is wrong with the sets, or soon will be; exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN", "omnipg partman check", RunAsync);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        try
        {
            var result = await PartmanCommands.Open(session).CheckAsync(cancellationToken);
            if (session.Json)
            {
                session.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("worst", Level(result.Worst));
                    json.WriteNumber("sets", result.Sets);
                    json.WriteStartArray("findings");
                    foreach (var finding in result.Findings)
                    {
                        json.WriteStartObject();
                        json.WriteString("table", finding.Table);
                        json.WriteString("level", Level(finding.Level));
                        json.WriteString("kind", finding.Kind.ToString());
                        json.WriteString("text", finding.Text);
                        json.WriteEndObject();
                    }
                    json.WriteEndArray();
                    json.WriteEndObject();
                });
            }
            else
            {
                var rows = result.Findings.OrderByDescending(f => f.Level).Select(f => (string?[])[Level(f.Level), f.Table, f.Text]);
                session.WriteTable([new CliColumn("Level", NoWrap: true, IsStatus: true), "Set", "Text"],
                    result.Findings.Count > 0 ? rows : [["OK", "", $"{JobText.Counted(result.Sets, "set")}, and nothing is wrong with them"]]);
            }
            return result.Worst switch { FindingLevel.Ok => ExitCodes.Done, FindingLevel.Warning => ExitCodes.Attention, _ => ExitCodes.Failed };
        }
        catch (Exception error) when (error is not (ArgumentException or FormatException or UsageException))
        {
            // A check that could not be made is neither good nor bad news.
            ErrorReport.Write(session, error, cancellationToken);
            return ExitCodes.Unknown;
        }
    }

    private static string Level(FindingLevel level) => level.ToString().ToUpperInvariant();
}
