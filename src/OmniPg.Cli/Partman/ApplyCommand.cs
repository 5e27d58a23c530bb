using System.CommandLine;
using System.Text.Json;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class ApplyCommand
{
    private static readonly Argument<string> File = new("FILE") { Description = "JSON: an object of tables with what describes their sets" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "apply", "Makes sets what a file says they are: creates missing ones, changes others, leaves the rest alone", "omnipg partman apply sets.json --plan", RunAsync, File, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var sets = DeclarationFile.Read(session.NotEmpty(File), PartmanCommands.NameOf, (_, values) => PartitionSetOptions.Parse(values)).ToDictionary();
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
        {
            if (session.Json)
                throw new UsageException("--plan prints SQL, so --json does not go with it.");
            session.Out.Write((await partman.PlanSetsAsync(sets, cancellationToken)).ToSqlScript());
            return ExitCodes.Done;
        }
        var done = await partman.ApplySetsAsync(sets, cancellationToken);
        if (session.Json)
            session.WriteJson(json => Write(json, done));
        else
            session.WriteTable(["Set", "Done", "Changed"], done.Select(d => (string?[])[d.Table.ToString(), d.Outcome.ToString().ToLowerInvariant(), string.Join(", ", d.Changed)]));
        return ExitCodes.Done;
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<DeclaredSet> done)
    {
        json.WriteStartArray();
        foreach (var set in done)
        {
            json.WriteStartObject();
            json.WriteString("table", set.Table.ToString());
            json.WriteString("outcome", set.Outcome.ToString().ToLowerInvariant());
            json.WriteStartArray("changed");
            foreach (var name in set.Changed)
                json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
