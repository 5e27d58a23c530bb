using System.CommandLine;

namespace OmniPg.Cli;

internal static class LintCommand
{
    public static Command Create(CliHost host) => CliCommand.Create(
        host, "lint", "Lists rules that can never match, contradict themselves or are off; exit code 1 when there are any", "omnipg jobmon lint", RunAsync);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var findings = await jobmon.Monitor.LintAsync(cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var finding in findings)
                {
                    json.WriteStartObject();
                    json.WriteString("jobName", finding.JobName);
                    json.WriteString("code", finding.Code);
                    json.WriteString("message", finding.Message);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
        }
        else
        {
            session.WriteTable(["Job", new CliColumn("Finding", NoWrap: true), "Message"], findings.Select(f => new[] { f.JobName, f.Code, f.Message }));
        }
        return findings.Count == 0 ? ExitCodes.Done : ExitCodes.Attention;
    }
}
