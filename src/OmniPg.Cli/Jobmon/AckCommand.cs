using System.CommandLine;
using System.Globalization;

namespace OmniPg.Cli;

internal static class AckCommand
{
    private static readonly Argument<string> Job = new("JOB_ID|NAME") { Description = "Id of one failed run, or name of a job for all its failures" };

    private static readonly Option<string?> Message = new("--message", "-m") { Description = "Why; recorded with your name", HelpName = "TEXT" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "ack", "Takes note of failures, so that they alert no more; exit code 1 when there is none", "omnipg jobmon ack \"nightly orders load\" -m \"disk was full\"",
        RunAsync, Job, Message);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var (job, why) = (session.NotEmpty(Job), CliSession.NotEmpty(session.Get(Message), Message.Name));
        var cleared = await (long.TryParse(job, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? jobmon.Admin.AcknowledgeAsync(id, JobLog.Operator, why, cancellationToken)
            : jobmon.Admin.AcknowledgeAsync(job, JobLog.Operator, why, cancellationToken));
        session.WriteResult(
            cleared == 0 ? $"No failure of '{job}' is there to take note of" : $"Took note of {JobText.Counted(cleared, "failure")}",
            json => json.WriteNumber("acknowledged", cleared));
        return cleared == 0 ? ExitCodes.Attention : ExitCodes.Done;
    }
}
