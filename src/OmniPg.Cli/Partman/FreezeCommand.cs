using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class FreezeCommand
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<long?> MinimumAge = new("--minimum-age") { Description = "Age in transactions from which on a partition is frozen. Default vacuum_freeze_min_age of the server", HelpName = "N" };

    private static readonly Option<string?> Pause = new("--pause") { Description = "Pause between two partitions. Default none", HelpName = "I" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "freeze", "Freezes partitions that get no new rows any more, beside readers and writers; exit code 1 when one was left out", "omnipg partman freeze app.events", RunAsync,
        Table, MinimumAge, Pause, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var options = new FreezeOptions { MinimumAge = session.Get(MinimumAge), PauseBetween = CliSession.Interval(session.Get(Pause), Pause.Name)?.Estimate ?? TimeSpan.Zero };
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanFreezeAsync(table, options, cancellationToken));
        var frozen = await partman.FreezeAsync(table, options, cancellationToken: cancellationToken);
        session.WriteList(
            ["Partition", new CliColumn("Age before", Right: true), new CliColumn("Age after", Right: true), "Done"], frozen,
            f => [f.Partition.ToString(), f.AgeBefore.ToString(CultureInfo.InvariantCulture), f.AgeAfter.ToString(CultureInfo.InvariantCulture), Name(f.Outcome)],
            (json, f) =>
            {
                json.WriteString("partition", f.Partition.ToString());
                json.WriteNumber("ageBefore", f.AgeBefore);
                json.WriteNumber("ageAfter", f.AgeAfter);
                json.WriteString("outcome", Name(f.Outcome));
            });
        return frozen.All(f => f.Outcome is FreezeFate.Frozen or FreezeFate.Gone) ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static string Name(FreezeFate outcome) => outcome switch { FreezeFate.NotOwned => "not-owned", _ => outcome.ToString().ToLowerInvariant() };
}
