using System.CommandLine;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class ConstraintsCommand
{
    private static readonly Argument<string> Table = PartmanCommands.Table();

    private static readonly Option<string?> Columns = new("--columns") { Description = "The columns, with commas between. Default those of the configuration", HelpName = "a,b" };

    private static readonly Option<int?> Distance = new("--distance") { Description = "Partitions from the current one back to the first that is constrained. Default that of the configuration, 30", HelpName = "N" };

    private static readonly Option<bool> NotValid = new("--not-valid") { Description = "Prove nothing: only new rows are checked, and queries gain nothing" };

    private static readonly Option<bool> Drop = new("--drop") { Description = "Drop such constraints of all partitions" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "constraints", "Checks of what columns hold in cold partitions, so that queries by them pass these over; exit code 1 when one is written to", "omnipg partman constraints app.events --columns id --distance 10",
        RunAsync, Table, Columns, Distance, NotValid, Drop, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var table = PartmanCommands.NameOf(session.NotEmpty(Table));
        var columns = CliSession.NotEmpty(session.Get(Columns), Columns.Name)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var options = new ConstraintOptions { Columns = columns, Distance = session.Get(Distance), Validate = session.Get(NotValid) ? false : null };
        if (session.Get(Drop) && (session.Get(PartmanCommands.Plan) || session.Get(NotValid) || session.Get(Distance) is not null))
            throw new UsageException("--drop goes with --columns only.");
        if (session.Get(PartmanCommands.Plan) && session.Json)
            throw new UsageException("--plan prints SQL, so --json does not go with it.");
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
        {
            session.Out.Write((await partman.PlanConstraintsAsync(table, options, cancellationToken)).ToSqlScript());
            return ExitCodes.Done;
        }
        var done = session.Get(Drop) ? await partman.DropConstraintsAsync(table, columns, cancellationToken) : await partman.ApplyConstraintsAsync(table, options, cancellationToken: cancellationToken);
        session.WriteList(["Partition", "Column", "Done"], done, c => [c.Partition.ToString(), c.Column, Name(c.Outcome)], (json, c) =>
        {
            json.WriteString("partition", c.Partition.ToString());
            json.WriteString("column", c.Column);
            json.WriteString("outcome", Name(c.Outcome));
        });
        return done.Any(c => c.Outcome == ConstraintFate.WrittenMeanwhile) ? ExitCodes.Attention : ExitCodes.Done;
    }

    private static string Name(ConstraintFate outcome) => outcome switch
    {
        ConstraintFate.NoValues => "no-values",
        ConstraintFate.WrittenMeanwhile => "written-meanwhile",
        _ => outcome.ToString().ToLowerInvariant(),
    };
}
