using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class PurgeCommand
{
    private static readonly Option<string?> OlderThan = new("--older-than") { Description = "Delete runs that started longer ago than this", HelpName = "INTERVAL" };

    private static readonly Option<int?> Keep = new("--keep") { Description = "Also delete, however young, all but this many newest runs of every job; it protects none from --older-than", HelpName = "N" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "purge", "Deletes old runs in batches; runs at work, alerts, and the newest and newest ended run of a job with an active rule stay", "omnipg jobmon purge --older-than \"90 days\"", RunAsync, OlderThan, Keep);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(OlderThan) is null && session.Get(Keep) is null)
            throw new UsageException("Say what to delete: --older-than or --keep.");
        if (session.Get(Keep) < 1)
            throw new UsageException("--keep takes one or more.");
        await using var jobmon = JobLog.Open(session);
        var result = await jobmon.Admin.PurgeAsync(
            new PurgeOptions { OlderThan = CliSession.Interval(session.Get(OlderThan), OlderThan.Name), KeepPerJob = session.Get(Keep) }, cancellationToken: cancellationToken);
        session.WriteResult(
            $"Deleted {JobText.Counted(result.DeletedJobs, "run")}{(result.AnotherAtWork ? "; another purge is at work" : "")}",
            json =>
            {
                json.WriteNumber("deletedJobs", result.DeletedJobs);
                json.WriteBoolean("anotherAtWork", result.AnotherAtWork);
            });
        return ExitCodes.Done;
    }
}
