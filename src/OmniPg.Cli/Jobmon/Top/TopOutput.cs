using System.Text;

namespace OmniPg.Cli;

/// <summary><c>jobmon top</c> printed once: a picture for a person, lines that begin with the part's name for a program, or one JSON document.</summary>
internal static class TopOutput
{
    public static void Write(CliSession session, TopSnapshot snapshot, string server)
    {
        if (session.Json)
            WriteJson(session, snapshot);
        else if (session.Host.IsTerminal)
            WritePicture(session, snapshot, server);
        else
            WriteLines(session, snapshot);
    }

    private static void WritePicture(CliSession session, TopSnapshot snapshot, string server)
    {
        // It may scroll, so everything that was read has its line.
        var steps = snapshot.Running.Sum(r => Math.Max(1, r.Steps.Count));
        var (width, height) = (session.Host.WindowSize().Width, 10 + steps + snapshot.Alerts.Count + snapshot.Recent.Count);
        var text = new StringBuilder();
        foreach (var line in TopPicture.Draw(snapshot, server, null, width, Math.Max(height, 16)))
        {
            line.AppendTo(text, width);
            text.AppendLine();
        }
        session.Out.Write(text);
    }

    private static void WriteLines(CliSession session, TopSnapshot snapshot)
    {
        session.WriteLines(snapshot.Running.Select(run => new[]
        {
            "running", JobText.Number(run.Job.JobId), run.Name, JobText.Age(snapshot.Now - run.Job.StartTime),
            run.Innermost?.Step.Action, run.Innermost?.Progress(20),
        }));
        session.WriteLines(snapshot.Recent.Select(job => JobText.Cells(job).Prepend("latest").ToArray()));
        session.WriteLines(snapshot.Report.Alerts.Select(alert => new[]
        {
            "alert", snapshot.Text(alert.Level), alert.AlertStatusText, alert.JobName, JobText.Alert(alert),
        }));
    }

    private static void WriteJson(CliSession session, TopSnapshot snapshot) => session.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("worst", snapshot.Report.Worst.Code);
        json.WriteStartArray("running");
        foreach (var run in snapshot.Running)
        {
            JobText.Write(json, run.Job, () =>
            {
                json.WriteStartArray("steps");
                foreach (var step in run.Steps)
                    JobText.Write(json, step.Step);
                json.WriteEndArray();
            });
        }
        json.WriteEndArray();
        json.WriteStartArray("latest");
        foreach (var job in snapshot.Recent)
            JobText.Write(json, job);
        json.WriteEndArray();
        JobText.Write(json, "alerts", snapshot.Report.Alerts);
        json.WriteEndObject();
    });
}
