using System.CommandLine;
using System.Globalization;

namespace OmniPg.Cli;

internal static class DetailCommand
{
    private static readonly Argument<string> Job = new("JOB_ID|NAME") { Description = "Id of a run, or name of a job for its newest run" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "detail", "Lists the steps of a run", "omnipg jobmon detail 4711", RunAsync, Job);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        await using var jobmon = JobLog.Open(session);
        var job = session.NotEmpty(Job);
        var steps = await (long.TryParse(job, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? jobmon.History.StepsAsync(id, cancellationToken)
            : jobmon.History.StepsAsync(job, 1, cancellationToken)).ToListAsync(cancellationToken);
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var step in steps)
                    JobText.Write(json, step);
                json.WriteEndArray();
            });
        }
        else if (session.Host.IsTerminal && steps.Count > 0)
        {
            // All are of one run, and the message needs the room.
            session.Out.WriteLine("Run " + JobText.Number(steps[0].JobId));
            session.WriteTable(JobText.StepHead[1..], steps.Select(s => JobText.Cells(s)[1..]));
        }
        else
        {
            session.WriteTable(JobText.StepHead, steps.Select(JobText.Cells));
        }
        return ExitCodes.Done;
    }
}
