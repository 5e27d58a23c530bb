using System.CommandLine;

namespace OmniPg.Cli;

internal static class RunCommand
{
    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the job" };

    private static readonly Option<string> Sql = new("--sql") { Description = "SQL to run in one transaction", HelpName = "SQL", Required = true };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "run", "Runs SQL as a job of one step; exit code 2 when it fails, 1 when another run of that name is at work",
        "omnipg jobmon run \"refresh facts\" --sql \"refresh materialized view facts\"", RunAsync, Name, Sql);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        // Unlike exec, SQL that cannot be logged does not run: server and log are the same, so it could not run anyway.
        await using var jobmon = JobLog.Open(session);
        var result = await jobmon.RunSqlAsync(session.NotEmpty(Name), CliSession.NotEmpty(session.Get(Sql), Sql.Name)!, cancellationToken: cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartObject();
                if (result.JobId is { } id)
                    json.WriteNumber("jobId", id);
                else
                    json.WriteNull("jobId");
                json.WriteBoolean("succeeded", result.Succeeded);
                json.WriteBoolean("skipped", result.Skipped);
                json.WriteNumber("rowsAffected", result.RowsAffected);
                json.WriteString("error", result.Error is null ? null : ErrorReport.MessageOf(result.Error));
                json.WriteEndObject();
            });
        }
        else
        {
            session.Out.WriteLine(result.ToString());
        }
        if (result.Error is not null)
            session.Error.WriteLine("omnipg: " + ErrorReport.MessageOf(result.Error));
        return result.Succeeded ? ExitCodes.Done : result.Skipped ? ExitCodes.Attention : ExitCodes.Failed;
    }
}
