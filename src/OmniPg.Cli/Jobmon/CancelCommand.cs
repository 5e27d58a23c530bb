using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

internal static class CancelCommand
{
    private static readonly Argument<long> JobId = new("JOB_ID") { Description = "Id of the run" };

    private static readonly Option<string?> Reason = new("--reason") { Description = "Text that is recorded with the cancellation", HelpName = "TEXT" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "cancel", "Asks a run to stop; exit code 1 when it has ended before, 2 when it cannot be cancelled",
        "omnipg jobmon cancel 4711 --reason \"blocks the backup\"", RunAsync, JobId, Reason);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var result = await jobmon.Admin.CancelAsync(session.Get(JobId), session.Get(Reason), cancellationToken);
        var sentence = result switch
        {
            CancelResult.Requested => "The process of the run was told",
            CancelResult.BackendSignalled => "The backend of the run was cancelled",
            CancelResult.MarkedCancelled => "Nobody was at work on the run; it was marked as cancelled",
            CancelResult.AlreadyFinished => "The run has ended before",
            CancelResult.NotFound => "There is no such run",
            _ => "This role may not cancel the backend of the run",
        };
        session.WriteResult(sentence, json => json.WriteString("result", result.ToString()));
        // A run that ended by itself in the meantime is what the caller wanted, only not by this command.
        return result switch
        {
            CancelResult.AlreadyFinished => ExitCodes.Attention,
            CancelResult.NotFound or CancelResult.NotPermitted => ExitCodes.Failed,
            _ => ExitCodes.Done,
        };
    }
}
