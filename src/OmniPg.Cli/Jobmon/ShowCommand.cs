using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class ShowCommand
{
    private static readonly Argument<string?> Name = new("NAME") { Description = "Exact name of the job in any case", Arity = ArgumentArity.ZeroOrOne };

    private static readonly Option<string?> Like = new("--like") { Description = "Regular expression that the name matches, in any case", HelpName = "RE" };

    private static readonly Option<string?> Status = new("--status") { Description = "Exact status text", HelpName = "S" };

    private static readonly Option<bool> Running = new("--running") { Description = "Only runs that are at work now" };

    private static readonly Option<int?> Limit = new("--limit") { Description = "How many runs. Default 10", HelpName = "N" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "show", "Lists runs, the newest first", "omnipg jobmon show \"nightly orders load\" --limit 3", RunAsync, Name, Like, Status, Running, Limit,
        JobLog.PgCron);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.OpenWithPgCron(session);
        var limit = session.Get(Limit) ?? 10;
        if (limit < 0)
            throw new UsageException("--limit takes zero or more.");
        var name = CliSession.NotEmpty(session.Find(Name), Name.Name);
        if (session.Get(Running) && (name ?? session.Get(Like) ?? session.Get(Status)) is not null)
            throw new UsageException("--running takes no name, --like or --status.");

        var jobs = await (session.Get(Running)
            ? jobmon.History.RunningAsync(limit, cancellationToken)
            : jobmon.History.ListAsync(new JobQuery { Name = name, NameMatches = session.Get(Like), Status = session.Get(Status), Limit = limit }, cancellationToken))
            .ToListAsync(cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var job in jobs)
                    JobText.Write(json, job);
                json.WriteEndArray();
            });
        }
        else
        {
            session.WriteTable(JobText.JobHead, jobs.Select(JobText.Cells));
        }
        return ExitCodes.Done;
    }
}
