using System.Globalization;
using OmniPg.Jobmon;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace OmniPg.Cli;

/// <summary>What <c>jobmon top</c> shows at one moment.</summary>
internal sealed record TopView(IReadOnlyList<(JobRecord Job, JobStepRecord? Step)> Running, IReadOnlyList<JobRecord> Recent, JobCheckReport Report)
{
    private const int BarWidth = 20;

    public static async Task<TopView> ReadAsync(IJobmon jobmon, CancellationToken cancellationToken)
    {
        var running = new List<(JobRecord, JobStepRecord?)>();
        foreach (var job in await jobmon.History.RunningAsync(20, cancellationToken).ToListAsync(cancellationToken))
            running.Add((job, await jobmon.History.StepsAsync(job.JobId, cancellationToken).LastOrDefaultAsync(cancellationToken)));
        var recent = await jobmon.History.ListAsync(new JobQuery { Unfinished = false, Limit = 10 }, cancellationToken).ToListAsync(cancellationToken);
        return new TopView(running, recent, await jobmon.Monitor.CheckAsync(cancellationToken: cancellationToken));
    }

    /// <summary>The view for a terminal.</summary>
    public IRenderable Draw()
    {
        var running = Grid("Running", "Job id", "Job", "For", "Step", "Progress");
        foreach (var (job, step) in Running)
            running.AddRow(Cells(job, step).Select(c => new Text(c)));
        var recent = Grid("Latest", JobText.JobHead);
        foreach (var job in Recent)
            recent.AddRow(JobText.Cells(job).Select(c => new Text(c ?? "", new Style(job.Status == Text(1) ? Color.Green : Color.Red))));
        var alerts = Grid("Alerts", "Level", "Status", "Job", "Text");
        foreach (var alert in Report.Alerts)
            alerts.AddRow(AlertCells(alert).Select(c => new Text(c ?? "", new Style(alert.Level.Code switch { 1 => Color.Green, 2 => Color.Yellow, _ => Color.Red }))));
        return new Rows(running, recent, alerts);
    }

    /// <summary>The view once: tables for a person, lines with the part's name for a program, or one JSON document.</summary>
    public void Write(CliSession session)
    {
        if (session.Json)
        {
            WriteJson(session);
        }
        else if (session.Host.IsTerminal)
        {
            session.Host.Ansi.Write(Draw());
        }
        else
        {
            session.WriteTable([], Running.Select(r => Cells(r.Job, r.Step).Prepend("running").ToArray<string?>()));
            session.WriteTable([], Recent.Select(j => JobText.Cells(j).Prepend("latest").ToArray()));
            session.WriteTable([], Report.Alerts.Select(a => AlertCells(a).Prepend("alert").ToArray()));
        }
    }

    private void WriteJson(CliSession session) => session.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("worst", Report.Worst.Code);
        json.WriteStartArray("running");
        foreach (var (job, _) in Running)
            JobText.Write(json, job);
        json.WriteEndArray();
        json.WriteStartArray("latest");
        foreach (var job in Recent)
            JobText.Write(json, job);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    private string[] Cells(JobRecord job, JobStepRecord? step) =>
    [
        JobText.Number(job.JobId), job.Run?.DisplayName ?? job.JobName, JobText.Duration(Report.CheckedAt - job.StartTime) ?? "", step?.Action ?? "", Progress(step),
    ];

    private string?[] AlertCells(JobAlert alert) =>
        [Text(alert.Level.Code), alert.AlertStatusText, alert.JobName, alert.Muted ? alert.AlertText + " [muted]" : alert.AlertText];

    private string Text(int code) => Report.StatusTexts.TryGetValue(code, out var text) ? text : new AlertLevel(code).ToString();

    private static string Progress(JobStepRecord? step)
    {
        if (step?.Info is not { Current: { } current } info)
            return step?.Message ?? "";
        if (info.Total is not { } total || total <= 0)
            return string.Create(CultureInfo.InvariantCulture, $"{current} {info.Unit}").TrimEnd();
        var share = Math.Clamp((double)current / total, 0, 1);
        var full = (int)(share * BarWidth);
        return string.Create(CultureInfo.InvariantCulture, $"{new string('█', full)}{new string('░', BarWidth - full)} {share * 100:0} % of {total} {info.Unit}").TrimEnd();
    }

    private static Table Grid(string title, params string[] head)
    {
        var table = new Table().Title(title).Border(TableBorder.Rounded).Expand();
        foreach (var name in head)
            table.AddColumn(name);
        return table;
    }
}
