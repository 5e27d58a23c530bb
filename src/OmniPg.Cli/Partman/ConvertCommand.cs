using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class ConvertCommand
{
    private static readonly Argument<string> Table = new("TABLE") { Description = "A plain table, in use or not; without a schema it is in public" };

    private static readonly Option<string> Strategy = new("--strategy")
    {
        Description = "The way: copy-and-swap copies the rows beside writers, then swaps names; legacy makes the table the first partition, drain-default the default one. Default copy-and-swap",
        HelpName = "copy-and-swap|legacy|drain-default",
        DefaultValueFactory = _ => "copy-and-swap",
    };

    private static readonly Option<int?> BatchSize = new("--batch-size") { Description = "For copy-and-swap: rows in a transaction of the copy. Default as many as take half a second", HelpName = "N" };

    private static readonly Option<int?> Sessions = new("--sessions") { Description = "For copy-and-swap: sessions that copy and compare side by side. Default one for each processor, at most 4", HelpName = "N" };

    private static readonly Option<string?> SafetyWindow = new("--safety-window")
    {
        Description = "For legacy: how far ahead of now, or of the newest id, the table ends as a partition. Default the interval, and 24 hours at least", HelpName = "I",
    };

    private static readonly Option<bool> NoWayBack = new("--no-way-back") { Description = "For copy-and-swap: do not log what is written behind the swap: it cannot be swapped back" };

    private static readonly Option<bool> SuspendAutovacuum = new("--suspend-autovacuum") { Description = "Keep autovacuum from the table and its partitions while rows are moved; in a drain from those that are there at its start" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "convert", "Makes a set of a plain table that is in use; the former table stays beside it until 'finish'",
        "omnipg partman convert app.orders --control ordered_at --interval \"1 month\" --strategy copy-and-swap", RunAsync,
        [Table, .. CreateSetCommand.SetOptions, Strategy, BatchSize, Sessions, SafetyWindow, NoWayBack, SuspendAutovacuum, PartmanCommands.Plan]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var strategy = session.Get(Strategy) switch
        {
            "copy-and-swap" => ConversionStrategy.CopyAndSwap,
            "legacy" => ConversionStrategy.AttachAsLegacy,
            "drain-default" => ConversionStrategy.DrainDefault,
            var other => throw new UsageException($"--strategy '{other}' is none of copy-and-swap, legacy, drain-default."),
        };
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var options = new ConversionOptions { Set = CreateSetCommand.Options(session, out var archive), Strategy = strategy, BatchSize = session.Get(BatchSize), Sessions = session.Get(Sessions), KeepWayBack = !session.Get(NoWayBack), SuspendAutovacuum = session.Get(SuspendAutovacuum) };
        if (session.Get(SafetyWindow) is { } window)
        {
            if (options.Set.IdInterval is null)
                options.SafetyWindow = CliSession.Interval(window, SafetyWindow.Name);
            else
                options.IdSafetyWindow = long.TryParse(window, NumberStyles.None, CultureInfo.InvariantCulture, out var ids) ? ids : throw new UsageException($"{SafetyWindow.Name} '{window}' is no number, and the interval counts ids.");
        }
        var partman = PartmanCommands.Open(session, archive);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanConversionAsync(table, options, cancellationToken));
        ConversionCommands.Write(session, await partman.ConvertAsync(table, options, ConversionCommands.Progress(session), cancellationToken));
        return ExitCodes.Done;
    }
}
