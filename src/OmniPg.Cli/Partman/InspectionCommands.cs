using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

/// <summary>The commands that tell of a set what its list does not: its definition, and values that it holds more than once.</summary>
internal static class InspectionCommands
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<string> Format = new("--format") { Description = "How it is written. Default json", HelpName = "sql|csharp|json", DefaultValueFactory = _ => "json" };

    private static readonly Option<string> Columns = new("--columns") { Description = "Columns that should be unique together, with commas between", HelpName = "a,b", Required = true };

    public static Command CreateExport(CliHost host) => CliCommand.Create(
        host, "export", "How a set is defined, to make it elsewhere: JSON for 'apply', C#, or SQL for the extension", "omnipg partman export app.events --format json", ExportAsync, Table, Format);

    public static Command CreateDuplicates(CliHost host) => CliCommand.Create(
        host, "duplicates", "Values that stand in a set more than once, over all partitions; exit code 1 when there are some", "omnipg partman duplicates app.events --columns id", DuplicatesAsync, Table, Columns);

    private static async Task<int> ExportAsync(CliSession session, CancellationToken cancellationToken)
    {
        var format = session.Get(Format) switch
        {
            "json" => DefinitionFormat.Json,
            "csharp" => DefinitionFormat.CSharp,
            "sql" => DefinitionFormat.ExtensionSql,
            var other => throw new UsageException($"--format '{other}' is none of sql, csharp, json."),
        };
        if (session.Json && format != DefinitionFormat.Json)
            throw new UsageException($"--json and --format '{session.Get(Format)}' contradict each other.");
        session.Out.Write(await PartmanCommands.Open(session).ExportDefinitionAsync(PartmanCommands.NameOf(session.NotEmpty(Table)), format, cancellationToken));
        return ExitCodes.Done;
    }

    private static async Task<int> DuplicatesAsync(CliSession session, CancellationToken cancellationToken)
    {
        var columns = session.Get(Columns)!.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (columns.Length == 0)
            throw new UsageException("--columns must not be empty.");
        var found = await PartmanCommands.Open(session).FindDuplicatesAsync(PartmanCommands.NameOf(session.NotEmpty(Table)), columns, cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteNumber("keys", found.Keys);
                json.WriteNumber("rows", found.Rows);
                json.WriteStartArray("worst");
                foreach (var key in found.Worst)
                {
                    json.WriteStartObject();
                    json.WriteStartArray("values");
                    foreach (var value in key.Values)
                        json.WriteStringValue(value);
                    json.WriteEndArray();
                    json.WriteNumber("rows", key.Rows);
                    json.WriteStartArray("partitions");
                    foreach (var partition in key.Partitions)
                        json.WriteStringValue(partition.ToString());
                    json.WriteEndArray();
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            });
        }
        else
        {
            session.WriteTable(
                [.. columns.Select(c => new CliColumn(c)), new CliColumn("Rows", Right: true), "Partitions"],
                found.Worst.Select(k => (string?[])[.. k.Values, k.Rows.ToString(CultureInfo.InvariantCulture), string.Join(", ", k.Partitions)]));
            if (found.Keys > found.Worst.Count)
                session.Error.WriteLine($"omnipg: these are {found.Worst.Count} of {found.Keys}, in {JobText.Counted(found.Rows, "row")}");
        }
        return found.Keys == 0 ? ExitCodes.Done : ExitCodes.Attention;
    }
}
