using System.CommandLine;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

internal static class MimeoApply
{
    private static readonly Argument<string> File = new("FILE") { Description = "JSON: an object of tables here with what describes each" };

    private static readonly Option<bool> Plan = new("--plan") { Description = "Change nothing; say what would be done" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "apply", "Makes tables what a file says they are: sets up missing ones, changes others, leaves the rest alone", "omnipg mimeo apply tables.json --plan", RunAsync, File, Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var tables = DeclarationFile.Read(session.NotEmpty(File), MimeoCommands.NameOf, ReplicationSpec.Parse).Select(t => t.Value).Select(t => t with { Source = MimeoCommands.InSchema(t.Source) }).ToArray();
        var mimeo = MimeoCommands.Open(session);
        var isPlan = session.Get(Plan);
        var done = isPlan ? await mimeo.PlanTablesAsync(tables, cancellationToken)
            : await MimeoProgress.RunAsync(session, progress => mimeo.ApplyTablesAsync(tables, progress, cancellationToken));
        foreach (var table in done)
        {
            foreach (var warning in table.Warnings)
                session.Error.WriteLine($"omnipg: {table.Destination}: {warning}");
        }
        session.WriteList(["Table", isPlan ? "To do" : "Done", "Changed"], done, d => [d.Destination.ToString(), Text(d.Outcome), string.Join(", ", d.Changed)], (json, table) =>
        {
            json.WriteString("table", table.Destination.ToString());
            json.WriteString("outcome", Text(table.Outcome));
            json.WriteStartArray("changed");
            foreach (var name in table.Changed)
                json.WriteStringValue(name);
            json.WriteEndArray();
        });
        return done.Any(d => d.Warnings.Count > 0) ? ExitCodes.Attention : ExitCodes.Done;

        // What would be done has not been.
        string Text(DeclaredFate fate) => fate switch
        {
            DeclaredFate.Created when isPlan => "create",
            DeclaredFate.Changed when isPlan => "change",
            _ => fate.ToString().ToLowerInvariant(),
        };
    }
}
