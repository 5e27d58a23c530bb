using System.CommandLine;
using System.Globalization;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class UndoCommand
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<string> Into = new("--into") { Description = "A plain table with the columns of the set, which takes all rows", HelpName = "TARGET", Required = true };

    private static readonly Option<bool> KeepTable = new("--keep-table") { Description = "Keep emptied partitions as tables. Default: drop them" };

    private static readonly Option<int> BatchSize = new("--batch-size") { Description = "Rows that move in one transaction. Default 10000", HelpName = "N", DefaultValueFactory = _ => 10_000 };

    private static readonly Option<bool> SuspendAutovacuum = new("--suspend-autovacuum") { Description = "Keep autovacuum from partitions and target until the end" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "undo", "Moves the rows of a set into a plain table and takes the set apart; run it again after an interruption",
        "omnipg partman undo app.events --into app.all_events", RunAsync, Table, Into, KeepTable, BatchSize, SuspendAutovacuum, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (table, target) = (PartmanCommands.NameOf(session.NotEmpty(Table)), PartmanCommands.NameOf(CliSession.NotEmpty(session.Get(Into), Into.Name)!));
        var options = new UndoOptions { BatchSize = session.Get(BatchSize), KeepTables = session.Get(KeepTable), SuspendAutovacuum = session.Get(SuspendAutovacuum) };
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
            return PartmanCommands.Show(session, await partman.PlanUndoAsync(table, target, options, cancellationToken));
        var result = await partman.UndoAsync(table, target, options, session.Host.IsTerminal && !session.Json ? new Line(session) : null, cancellationToken);
        session.WriteResult($"Moved {JobText.Counted(result.Rows, "row")} of {JobText.Counted(result.Partitions, "partition")} into '{target}'; '{table}' is no set any more", json =>
        {
            json.WriteString("table", table.ToString());
            json.WriteString("target", target.ToString());
            json.WriteNumber("rows", result.Rows);
            json.WriteNumber("partitions", result.Partitions);
        });
        return ExitCodes.Done;
    }

    private sealed class Line(CliSession session) : IProgress<UndoProgress>
    {
        public void Report(UndoProgress value) =>
            session.Error.Write($"\r{value.Rows.ToString("N0", CultureInfo.InvariantCulture)} rows moved, {JobText.Counted(value.PartitionsLeft, "partition")} left   ");
    }
}
