using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class RepartitionCommand
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<string?> Interval = new("--interval") { Description = "Length of a partition from now on: an interval, or a number of ids", HelpName = "I" };

    private static readonly Option<bool> Rewrite = new("--rewrite") { Description = "Merge and split partitions that have begun as well. Default: only those ahead are made anew" };

    private static readonly Option<bool> KeepTables = new("--keep-tables") { Description = "Keep partitions that were replaced as tables. Default: drop them" };

    private static readonly Option<int> BatchSize = new("--batch-size") { Description = "Rows in a transaction of the copy. Default 10000", HelpName = "N", DefaultValueFactory = _ => 10_000 };

    private static readonly Option<bool> Abort = new("--abort") { Description = "Take away what a repartitioning left that was killed; no row is lost" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "repartition", "Gives a set another interval, beside readers and writers; run it again after an interruption", "omnipg partman repartition app.events --interval \"1 month\" --rewrite", RunAsync,
        Table, Interval, Rewrite, KeepTables, BatchSize, Abort, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var partman = PartmanCommands.Open(session);
        if (session.Get(Abort))
        {
            if (session.Get(Interval) is not null || session.Get(Rewrite) || session.Get(PartmanCommands.Plan))
                throw new UsageException("--abort goes with no other option.");
            var found = await partman.AbortRepartitionAsync(table, cancellationToken);
            session.WriteResult(found ? $"What a repartitioning of '{table}' left is gone" : $"No repartitioning of '{table}' left anything", json => json.WriteBoolean("found", found));
            return ExitCodes.Done;
        }
        var text = CliSession.NotEmpty(session.Get(Interval), Interval.Name) ?? throw new UsageException("--interval is missing.");
        var options = new RepartitionOptions { Rewrite = session.Get(Rewrite), KeepTables = session.Get(KeepTables), BatchSize = session.Get(BatchSize) };
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var ids))
            options.IdInterval = ids;
        else
            options.Interval = CliSession.Interval(text, Interval.Name);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanRepartitionAsync(table, options, cancellationToken));
        var result = await partman.RepartitionAsync(table, options, session.Host.IsTerminal && !session.Json ? new Line(session) : null, cancellationToken);
        session.WriteResult(
            $"'{table}' has an interval of '{text}'; {JobText.Counted(result.Groups.Sum(g => g.Former.Count), "partition")} became {result.Groups.Sum(g => g.Partitions.Count).ToString(CultureInfo.InvariantCulture)}, with {JobText.Counted(result.Groups.Sum(g => g.Rows), "row")}", json =>
            {
                json.WriteString("table", table.ToString());
                json.WriteString("interval", result.Set.Interval?.ToString() ?? result.Set.IdInterval!.Value.ToString(CultureInfo.InvariantCulture));
                json.WriteStartArray("groups");
                foreach (var group in result.Groups)
                {
                    json.WriteStartObject();
                    json.WriteStartArray("former");
                    foreach (var name in group.Former)
                        json.WriteStringValue(name.ToString());
                    json.WriteEndArray();
                    json.WriteStartArray("partitions");
                    foreach (var name in group.Partitions)
                        json.WriteStringValue(name.ToString());
                    json.WriteEndArray();
                    json.WriteNumber("rows", group.Rows);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
        return ExitCodes.Done;
    }

    private sealed class Line(CliSession session) : IProgress<RepartitionProgress>
    {
        public void Report(RepartitionProgress value) =>
            session.Error.Write($"\r{value.Step.ToString().ToLowerInvariant()} {value.Lower} up to {value.Upper}: {value.Rows.ToString("N0", CultureInfo.InvariantCulture)} rows   ");
    }
}
