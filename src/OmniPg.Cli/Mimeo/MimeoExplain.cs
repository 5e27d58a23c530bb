using System.Globalization;
using System.Text.Json;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

/// <summary>What set-ups or refreshes would do: the rights that are missing as comments, then the steps with their servers.</summary>
internal static class MimeoExplain
{
    /// <summary>Writes set-ups, which are a script, but for their copies.</summary>
    public static int WriteSetups(CliSession session, IReadOnlyList<ExplainResult> results) => Write(session, results, result => result.Plan?.ToSqlScript());

    /// <summary>Writes refreshes, of which a script would empty tables and fill none.</summary>
    public static int WriteRefreshes(CliSession session, IReadOnlyList<ExplainResult> results) => Write(session, results, Steps);

    private static int Write(CliSession session, IReadOnlyList<ExplainResult> results, Func<ExplainResult, string?> text)
    {
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var result in results)
                    Write(json, result);
                json.WriteEndArray();
            });
        }
        else
        {
            foreach (var result in results)
                session.Out.Write(Text(result) + text(result));
        }
        foreach (var (result, warning) in results.SelectMany(r => r.Warnings.Select(w => (r, w))))
            session.Error.WriteLine($"omnipg: {result.Access.Destination}: {warning}");
        return results.All(r => r.Access.IsComplete && r.Warnings.Count == 0) ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static string Text(ExplainResult result)
    {
        var lines = new List<string>();
        foreach (var (server, statement) in Missing(result.Access))
            lines.Add($"-- missing at {server ?? "the destination"}: {statement}");
        if (result.Plan is null)
            lines.Add("-- What would be done is known once these rights are given.");
        else if (result.Streams > 1)
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"-- {result.Streams} streams copy the parts, each the next one that is left"));
        return string.Concat(lines.Select(line => line.ReplaceLineEndings("\n-- ") + "\n"));
    }

    private static string? Steps(ExplainResult result) => result.Plan is null ? null : $"{result.Access.Destination}\n" + string.Concat(result.Plan.Steps.Select(step =>
        $"  {step.Server}, {step.Kind}: {step.Reason.ReplaceLineEndings(" ")}{string.Concat(step.Locks.Select(taken => $" Locks {taken}."))}{(step.DestroysData ? " Destroys data." : "")}\n      {(step.Sql ?? step.Description)!.ReplaceLineEndings("\n      ")}\n"));

    private static void Write(Utf8JsonWriter json, ExplainResult result)
    {
        json.WriteStartObject();
        json.WriteString("destination", result.Access.Destination.ToString());
        json.WriteStartArray("missing");
        foreach (var (server, statement) in Missing(result.Access))
        {
            json.WriteStartObject();
            json.WriteString("source", server is null ? null : result.Access.From);
            json.WriteString("statement", statement);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNumber("streams", result.Streams);
        json.WriteStartArray("steps");
        foreach (var step in result.Plan?.Steps ?? [])
        {
            json.WriteStartObject();
            json.WriteString("server", step.Server);
            json.WriteString("kind", step.Kind);
            json.WriteString("reason", step.Reason);
            json.WriteString("sql", step.Sql);
            json.WriteString("description", step.Description);
            json.WriteBoolean("destroysData", step.DestroysData);
            json.WriteStartArray("locks");
            foreach (var taken in step.Locks)
                json.WriteStringValue(taken.ToString());
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static IEnumerable<(string? Server, string Statement)> Missing(AccessResult access) =>
        access.SourceStatements.Select(s => ((string?)$"source {access.From}", s)).Concat(access.DestinationStatements.Select(s => ((string?)null, s)));
}
