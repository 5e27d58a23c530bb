using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>The picture of <c>jobmon top</c> for a window of a given size.</summary>
internal static class TopPicture
{
    /// <summary>Below this height there are no column heads and no empty lines.</summary>
    private const int RoomyHeight = 16;

    /// <summary>Below this width bars are short and the clock shows no date.</summary>
    private const int WideWindow = 100;

    /// <param name="snapshot">What is known.</param>
    /// <param name="server">The database, for the title.</param>
    /// <param name="trouble">Why the picture is old; null when it is not.</param>
    /// <param name="width">Cells of a line.</param>
    /// <param name="height">Lines of the window; never more are returned.</param>
    public static IReadOnlyList<ScreenLine> Draw(TopSnapshot snapshot, string server, string? trouble, int width, int height)
    {
        var lines = new List<ScreenLine> { Title(snapshot, server, width) };
        if (trouble is not null)
            lines.Add(new ScreenLine().Add(CellText.Clean(trouble), Ink.Bad));
        var alerts = snapshot.Alerts;
        var roomy = height >= RoomyHeight;
        var free = Math.Max(0, height - lines.Count - (roomy ? 9 : 3));
        var (running, alerting, recent) = Share(free, snapshot, alerts.Count);

        Append(lines, Heading("RUNNING", snapshot.RunningJobs, Math.Min(running, snapshot.Running.Count), Ink.Plain), Running(snapshot, running, width), width, roomy);
        Append(lines, Heading("ALERTS", alerts.Count, alerting, alerts.Count > 0 ? Ink.Bad : Ink.Good), Alerts(snapshot, alerts.Take(alerting)), width, roomy);
        Append(lines, new ScreenLine().Add("LATEST", Ink.Strong), Latest(snapshot, snapshot.Recent.Take(recent)), width, roomy);
        return [.. lines.Take(height)];
    }

    // A quarter for each of the lower parts at first; what one part does not need, the next one gets.
    private static (int Running, int Alerts, int Recent) Share(int free, TopSnapshot snapshot, int alerts)
    {
        var alerting = Math.Min(alerts, (free + 3) / 4);
        var recent = Math.Min(snapshot.Recent.Count, (free + 3) / 4);
        var wanted = snapshot.Running.Sum(r => Math.Max(1, r.Steps.Count));
        var running = Math.Clamp(free - alerting - recent, 0, wanted);
        alerting = Math.Clamp(free - running - recent, 0, alerts);
        recent = Math.Clamp(free - running - alerting, 0, snapshot.Recent.Count);
        return (running, alerting, recent);
    }

    private static ScreenLine Title(TopSnapshot snapshot, string server, int width)
    {
        var left = "omnipg jobmon top  " + CellText.Clean(server);
        var now = JobText.Instant(snapshot.Now);
        var right = $"  {(width < WideWindow ? now[(now.IndexOf(' ', StringComparison.Ordinal) + 1)..] : now)}  q quits";
        return new ScreenLine().Add(CellText.Fit(left, Math.Max(0, width - right.Length)), Ink.Strong).Add(right, Ink.Faint);
    }

    private static ScreenLine Heading(string text, int count, int shown, Ink ink)
    {
        var hidden = count > shown ? $"  ({JobText.Number(count - shown)} not shown)" : "";
        return new ScreenLine().Add(text, Ink.Strong).Add(" " + JobText.Number(count), ink).Add(hidden, Ink.Faint);
    }

    private static void Append(List<ScreenLine> lines, ScreenLine heading, ScreenTable table, int width, bool roomy)
    {
        if (roomy)
            lines.Add(new ScreenLine());
        lines.Add(heading);
        lines.AddRange(table.Lines(width, roomy));
    }

    private static ScreenTable Running(TopSnapshot snapshot, int room, int width)
    {
        var bar = width < WideWindow ? 8 : 20;
        var table = new ScreenTable(
            new ScreenColumn("Job id", Right: true, Rank: 4), new ScreenColumn("Job", Least: 12), new ScreenColumn("For", Right: true, Rank: 2),
            new ScreenColumn("Step", Least: 12, Rank: 3), new ScreenColumn("Progress", Least: bar + 8, Rank: 1));
        // Where the window has room, every open step has a line of its own; else only the one that was opened last.
        var steps = snapshot.Running.Sum(r => Math.Max(1, r.Steps.Count)) <= room;
        foreach (var run in snapshot.Running.Take(room))
        {
            string[] job = [JobText.Number(run.Job.JobId), run.Name];
            IEnumerable<TopStep?> shown = run.Steps;
            if (!steps || run.Steps.Count == 0)
                shown = [run.Innermost];
            foreach (var (i, step) in shown.Index())
            {
                var since = i == 0 ? run.Job.StartTime : step!.Step.StartTime;
                table.Add(Ink.Plain, [.. i == 0 ? job : ["", ""], JobText.Age(snapshot.Now - since), steps ? step?.Indented : step?.Step.Action, step?.Progress(bar)]);
            }
        }
        return table;
    }

    private static ScreenTable Alerts(TopSnapshot snapshot, IEnumerable<JobAlert> alerts)
    {
        var table = new ScreenTable(
            new ScreenColumn("Level"), new ScreenColumn("Status", Rank: 1), new ScreenColumn("Job", Least: 12), new ScreenColumn("Text", Least: 16, Rank: 2));
        foreach (var alert in alerts)
        {
            var ink = alert.Muted ? Ink.Faint : alert.Level.Code switch { <= 1 => Ink.Plain, 2 => Ink.Attention, _ => Ink.Bad };
            table.Add(ink, snapshot.Text(alert.Level), alert.AlertStatusText, alert.JobName, JobText.Alert(alert));
        }
        return table;
    }

    private static ScreenTable Latest(TopSnapshot snapshot, IEnumerable<JobRecord> jobs)
    {
        var table = new ScreenTable(
            new ScreenColumn("Job id", Right: true, Rank: 2), new ScreenColumn("Job", Least: 12), new ScreenColumn("Status"),
            new ScreenColumn("Ended", Rank: 3), new ScreenColumn("Took", Right: true, Rank: 1), new ScreenColumn("Owner", Rank: 4));
        foreach (var job in jobs)
        {
            var ink = job.Status == snapshot.Text(AlertLevel.Ok) ? Ink.Good : job.Status == snapshot.Text(AlertLevel.Warning) ? Ink.Attention : Ink.Bad;
            table.Add(ink, JobText.Number(job.JobId), job.DisplayName ?? job.JobName, job.Status ?? "unfinished",
                job.EndTime is { } end ? JobText.Instant(end) : "", JobText.Duration(job.Duration), job.Owner);
        }
        return table;
    }
}
