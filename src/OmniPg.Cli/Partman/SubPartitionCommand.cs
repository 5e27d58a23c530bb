using System.CommandLine;

namespace OmniPg.Cli;

internal static class SubPartitionCommand
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<bool> AllowDataLoss = new("--allow-data-loss") { Description = "Make partitions with rows anew as well: their rows are lost. Default: refuse, and change nothing" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "sub-partition", "Makes each partition of a set a set again, now and with those that come; run it again after an interruption",
        "omnipg partman sub-partition app.events --control created_at --interval \"1 day\"", RunAsync,
        [Table, .. CreateSetCommand.BranchOptions, AllowDataLoss, PartmanCommands.Plan]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (table, options) = (PartmanCommands.NameOf(session.NotEmpty(Table)), CreateSetCommand.Options(session, out var archive));
        var partman = PartmanCommands.Open(session, archive);
        if (session.Get(PartmanCommands.Plan))
        {
            session.Out.Write((await partman.PlanSubPartitionsAsync(table, options, session.Get(AllowDataLoss), cancellationToken)).ToSqlScript());
            return ExitCodes.Done;
        }
        await partman.SubPartitionAsync(table, options, session.Get(AllowDataLoss), cancellationToken);
        session.WriteResult($"The partitions of '{table}' are sets by '{options.Control}'", json =>
        {
            json.WriteString("table", table.ToString());
            json.WriteString("control", options.Control);
        });
        return ExitCodes.Done;
    }
}
