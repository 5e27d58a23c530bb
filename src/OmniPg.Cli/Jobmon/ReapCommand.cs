using System.CommandLine;

namespace OmniPg.Cli;

internal static class ReapCommand
{
    private static readonly Option<bool> Foreign = new("--foreign") { Description = "Also close runs of SQL callers whose backend is gone" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "reap", "Closes runs whose process died, as failed", "omnipg jobmon reap", RunAsync, Foreign);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var reaped = await (session.Get(Foreign) ? jobmon.Admin.ReapForeignAsync(cancellationToken) : jobmon.Admin.ReapAsync(cancellationToken));
        session.WriteResult($"Closed {JobText.Counted(reaped, "dead run")}", json => json.WriteNumber("reapedJobs", reaped));
        return ExitCodes.Done;
    }
}
