using System.CommandLine;
using System.Text.Json;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class MaintainCommand
{
    private static readonly Argument<string?> Table = new("TABLE") { Description = "The one set. Default: all with automatic maintenance", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Option<bool> Analyze = new("--analyze") { Description = "Run ANALYZE on sets that got partitions" };

    private static readonly Option<bool> Drain = new("--drain") { Description = "Move rows of a new partition's range out of the default partition" };

    private static readonly Option<bool> AcceptClockJump = new("--accept-clock-jump") { Description = "Retire partitions although the server's clock jumped" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "maintain", "Creates partitions ahead of need and retires expired ones; exit code 1 when a set failed", "omnipg partman maintain --plan",
        RunAsync, Table, PartmanCommands.Plan, Analyze, Drain, AcceptClockJump);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var options = new MaintenanceOptions
        {
            Table = CliSession.NotEmpty(session.Find(Table), Table.Name) is { } table ? PartmanCommands.NameOf(table) : null,
            Analyze = session.Get(Analyze),
            DrainDefault = session.Get(Drain),
            AcceptClockJump = session.Get(AcceptClockJump),
        };
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
            return Show(session, await partman.PlanMaintenanceAsync(options, cancellationToken));
        var result = await partman.MaintainAsync(options, cancellationToken: cancellationToken);
        if (session.Json)
            session.WriteJson(json => Write(json, result));
        else if (session.Host.IsTerminal && result.Sets.All(s => s.Changes.Count == 0))
            TellNothing(session.Out, result.Sets.Count(s => s.Error is null && s.Table.Length > 0));
        else
            session.WriteTable(
                ["Set", "Partition", new CliColumn("Lower", NoWrap: true), new CliColumn("Upper", NoWrap: true), "Done"],
                from set in result.Sets
                from change in set.Changes
                select new string?[] { set.Table, change.Partition.ToString(), change.Lower.ToString(), change.Upper.ToString(), change.Fate.ToString().ToLowerInvariant() });
        foreach (var set in result.Sets)
            Tell(session, set.Table, set.Skipped, set.Error);
        return result.AllSucceeded ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static int Show(CliSession session, MaintenancePlan plan)
    {
        if (session.Json)
        {
            session.WriteJson(json => Write(json, plan));
        }
        else
        {
            // As comments, because what stands below them is a script.
            foreach (var set in session.Host.IsTerminal ? plan.Sets.Where(s => s.Changes.Count > 0) : [])
            {
                session.Out.WriteLine("-- " + set.Table.ReplaceLineEndings(" "));
                foreach (var line in Timeline.Lines(set.Partitions, Math.Max(1, session.Host.WindowSize().Width - 3)))
                    session.Out.WriteLine("-- " + line);
            }
            session.Out.Write(plan.Sql.ToSqlScript());
            if (plan.Sql.IsEmpty)
                TellNothing(session.Error, plan.Sets.Count(s => s.Error is null));
        }
        foreach (var set in plan.Sets)
            Tell(session, set.Table, set.Skipped, set.Error);
        return plan.Sets.Any(s => s.Error is not null) ? ExitCodes.Attention : ExitCodes.Done;
    }

    private static void Write(Utf8JsonWriter json, MaintenancePlan plan)
    {
        json.WriteStartArray();
        foreach (var set in plan.Sets)
        {
            json.WriteStartObject();
            json.WriteString("table", set.Table);
            json.WritePropertyName("partitions");
            PartitionCommands.Write(json, set.Partitions);
            json.WriteString("error", set.Error?.Code);
            json.WriteString("errorText", set.Error is { } error ? ErrorReport.OneLine(error) : null);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    // Of sets that failed their error is told.
    private static void TellNothing(TextWriter to, int sets)
    {
        if (sets > 0)
            to.WriteLine($"Nothing to do in {JobText.Counted(sets, "set")}");
    }

    private static void Tell(CliSession session, string set, IReadOnlyList<PartitionSkipped> skipped, Exception? error)
    {
        foreach (var skip in skipped)
            session.Error.WriteLine("note: " + skip.Text);
        if (error is null)
            return;
        session.Error.WriteLine($"omnipg: {set}: {ErrorReport.OneLine(error)}");
        if (ErrorReport.HintOf(error) is { } hint)
            session.Error.WriteLine("hint: " + hint.ReplaceLineEndings(" "));
    }

    private static void Write(Utf8JsonWriter json, MaintenanceResult result)
    {
        json.WriteStartArray();
        foreach (var set in result.Sets)
        {
            json.WriteStartObject();
            json.WriteString("table", set.Table);
            json.WriteStartArray("changes");
            foreach (var change in set.Changes)
            {
                json.WriteStartObject();
                json.WriteString("partition", change.Partition.ToString());
                json.WriteString("lower", change.Lower.ToString());
                json.WriteString("upper", change.Upper.ToString());
                json.WriteString("fate", change.Fate.ToString().ToLowerInvariant());
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteString("error", (set.Error as OmniPgException)?.Code ?? set.Error?.GetType().Name);
            json.WriteString("errorText", set.Error is { } error ? ErrorReport.OneLine(error) : null);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
