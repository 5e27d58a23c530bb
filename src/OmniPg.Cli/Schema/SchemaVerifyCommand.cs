using System.CommandLine;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary><c>omnipg schema verify DIR</c>.</summary>
internal static class SchemaVerifyCommand
{
    private static readonly Argument<string> Tree = new("DIR") { Description = "The tree" };
    private static readonly Option<MissingRoles> Roles = new("--missing-roles") { Description = "Fail, or Skip: owners and grants are not compared then" };
    private static readonly Option<string[]> Exclude = new("--exclude-kind") { Description = "Kinds to leave out, for example Subscriptions", HelpName = "K" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "verify", "Replays a tree into a scratch database, compares and drops it; exit code 1 when something was lost",
        "omnipg schema verify schema --connection \"Host=db;Database=postgres\"", RunAsync, [Tree, Roles, Exclude, .. ExtractorSettings.All]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var extractor = ExtractorSettings.Extractor(session);
        var options = new VerifyOptions();
        (options.Kinds, options.Roles) = (ExtractorSettings.Without(options.Kinds, session.Get(Exclude)), session.Get(Roles));
        var report = await extractor.VerifyAsync(extractor.OpenTree(session.Get(Tree)), SchemaSide.Target(session, null), options, cancellationToken);
        if (session.Json)
            session.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteBoolean("proven", report.IsProven);
                json.WriteStartArray("differences");
                foreach (var item in report.Differences)
                    json.WriteStringValue(item.SchemaObject.ToString());
                json.WriteEndArray();
                json.WriteStartArray("reworded");
                foreach (var item in report.Reworded)
                    json.WriteStringValue(item.SchemaObject.ToString());
                json.WriteEndArray();
                json.WriteEndObject();
            });
        else
            WriteText(session, report);
        return report.IsProven ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static void WriteText(CliSession session, VerifyResult report)
    {
        foreach (var item in report.Differences)
            session.Out.Write(item.UnifiedText);
        foreach (var item in report.Reworded)
            session.Error.WriteLine($"note: the server words '{item.SchemaObject}' differently when it reads its own text");
        session.Out.WriteLine(report.IsProven
            ? $"Verified: {report.Replay.Entries} entries replayed and read back equal"
            : $"{report.Differences.Count} objects are not what they were");
    }
}
