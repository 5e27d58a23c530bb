using System.CommandLine;
using OmniPg.Partman;

namespace OmniPg.Cli;

/// <summary>The commands for what is done to partitions by wish: some that are made, the planner's knowledge, rights.</summary>
internal static class TendCommands
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Argument<string[]> Values = new("VALUE") { Description = "Moments, ids, or UUIDs of version 7", Arity = ArgumentArity.OneOrMore };

    private static readonly Argument<string?> One = new("TABLE") { Description = "The one set. Default: all", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Option<bool> SkipLocked = new("--skip-locked") { Description = "Pass over tables that somebody holds. Default: wait for them" };

    public static IEnumerable<Command> Create(CliHost host) =>
    [
        CliCommand.Create(host, "add", "Creates the partitions that take some values, where there are none", "omnipg partman add app.events 2024-01-31 2024-02-29", AddAsync, Table, Values, PartmanCommands.Plan),
        CliCommand.Create(host, "analyze", "Runs ANALYZE on sets and their partitions; exit code 1 when something was passed over", "omnipg partman analyze app.events --skip-locked", AnalyzeAsync, One, SkipLocked),
        CliCommand.Create(host, "privileges", "Gives all partitions the owner and exactly the grants of their set", "omnipg partman privileges app.events --plan", PrivilegesAsync, Table, PartmanCommands.Plan),
    ];

    private static async Task<int> AddAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (table, values) = (PartmanCommands.NameOf(session.NotEmpty(Table)), session.Get(Values)!.Select(PartitionCommands.Bound).ToList());
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanPartitionsAsync(table, values, cancellationToken));
        session.WriteList(
            ["Partition", new CliColumn("Lower", NoWrap: true), new CliColumn("Upper", NoWrap: true)], await partman.CreatePartitionsAsync(table, values, cancellationToken: cancellationToken),
            c => [c.Partition.ToString(), c.Lower.ToString(), c.Upper.ToString()],
            (json, c) =>
            {
                json.WriteString("partition", c.Partition.ToString());
                json.WriteString("lower", c.Lower.ToString());
                json.WriteString("upper", c.Upper.ToString());
            });
        return ExitCodes.Done;
    }

    private static async Task<int> AnalyzeAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = CliSession.NotEmpty(session.Find(One), One.Name) is { } name ? PartmanCommands.NameOf(name) : (QualifiedName?)null;
        var sets = await PartmanCommands.Open(session).AnalyzeAsync(table, session.Get(SkipLocked), cancellationToken: cancellationToken);
        session.WriteList(["Set", "Done"], sets, s => [s.Table.ToString(), Name(s.Outcome)], (json, s) =>
        {
            json.WriteString("table", s.Table.ToString());
            json.WriteString("outcome", Name(s.Outcome));
            json.WriteStartArray("passedOver");
            foreach (var partition in s.PassedOver)
                json.WriteStringValue(partition.ToString());
            json.WriteEndArray();
        });
        foreach (var partition in session.Json ? [] : sets.SelectMany(s => s.PassedOver))
            session.Error.WriteLine($"note: '{partition}' was passed over.");
        return sets.All(s => s.Outcome is AnalyzeFate.Analyzed or AnalyzeFate.Gone) ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static async Task<int> PrivilegesAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanPrivilegesAsync(table, cancellationToken));
        var changed = await partman.ReapplyPrivilegesAsync(table, cancellationToken: cancellationToken);
        session.WriteList(["Partition"], changed, c => [c.ToString()], (json, c) => json.WriteString("partition", c.ToString()));
        return ExitCodes.Done;
    }

    private static string Name(AnalyzeFate outcome) => outcome switch { AnalyzeFate.NotOwned => "not-owned", _ => outcome.ToString().ToLowerInvariant() };
}
