using System.Globalization;
using System.Text.Json;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>Runs and steps as table cells and JSON objects.</summary>
internal static class JobText
{
    public static readonly CliColumn[] JobHead =
    [
        new("Job id", Right: true, NoWrap: true), "Job", new("Status", NoWrap: true, IsStatus: true), new("Started", NoWrap: true),
        new("Duration", Right: true, NoWrap: true), "Owner",
    ];

    public static readonly CliColumn[] StepHead =
    [
        new("Job id", Right: true, NoWrap: true), new("Step id", Right: true, NoWrap: true), "Action", new("Status", NoWrap: true, IsStatus: true),
        new("Started", NoWrap: true), new("Duration", Right: true, NoWrap: true), "Message",
    ];

    public static string?[] Cells(JobRecord job) =>
    [
        Number(job.JobId), job.JobName, job.Status ?? "unfinished", Instant(job.StartTime), Duration(job.Duration), job.Owner,
    ];

    public static string?[] Cells(JobStepRecord step) =>
    [
        Number(step.JobId), Number(step.StepId), step.Action, step.Status ?? "unfinished", Instant(step.StartTime), Duration(step.Duration), step.Message,
    ];

    /// <summary>The alert's text, how late a missing job is, and that it does not count.</summary>
    public static string Alert(JobAlert alert) =>
        $"{alert.AlertText}{(alert.Lateness is { } lateness ? ". " + lateness : "")}{(alert.Muted ? " [muted]" : "")}";

    public static void Write(Utf8JsonWriter json, string name, IReadOnlyList<JobAlert> alerts)
    {
        json.WriteStartArray(name);
        foreach (var alert in alerts)
        {
            json.WriteStartObject();
            json.WriteNumber("level", alert.Level.Code);
            json.WriteString("status", alert.AlertStatusText);
            json.WriteString("jobName", alert.JobName);
            json.WriteString("text", alert.AlertText);
            json.WriteBoolean("muted", alert.Muted);
            if (alert.Status == JobAlertStatus.Missing)
            {
                WriteInstant(json, "lastStart", alert.LastStart);
                json.WriteString("threshold", alert.Threshold);
                WriteNumber(json, "lateSeconds", alert.Late is { } late ? Math.Round(late.TotalSeconds, 3) : null);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <param name="json">Where to.</param>
    /// <param name="job">The run.</param>
    /// <param name="more">Writes further members of its object.</param>
    public static void Write(Utf8JsonWriter json, JobRecord job, Action? more = null)
    {
        json.WriteStartObject();
        json.WriteNumber("jobId", job.JobId);
        json.WriteString("jobName", job.JobName);
        json.WriteString("owner", job.Owner);
        json.WriteString("status", job.Status);
        json.WriteString("startTime", job.StartTime);
        WriteInstant(json, "endTime", job.EndTime);
        json.WriteNumber("pid", job.Pid);
        if (job.PgCron is { } cron)
        {
            json.WriteStartObject("pgCron");
            json.WriteNumber("runId", cron.RunId);
            json.WriteNumber("jobId", cron.JobId);
            json.WriteString("database", cron.Database);
            json.WriteString("command", cron.Command);
            json.WriteString("message", cron.Message);
            json.WriteEndObject();
        }
        more?.Invoke();
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, JobStepRecord step)
    {
        json.WriteStartObject();
        json.WriteNumber("jobId", step.JobId);
        json.WriteNumber("stepId", step.StepId);
        json.WriteString("action", step.Action);
        json.WriteString("status", step.Status);
        json.WriteString("startTime", step.StartTime);
        WriteInstant(json, "endTime", step.EndTime);
        json.WriteString("message", step.Message);
        if (step.Current is { } current)
        {
            json.WriteNumber("current", current);
            if (step.Total is { } total)
                json.WriteNumber("total", total);
        }
        json.WriteEndObject();
    }

    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    public static string Counted(long count, string thing) => $"{Number(count)} {thing}{(count == 1 ? "" : "s")}";

    // UTC, as in the log's JSON: the reader's zone and the server's differ, and an hour is missing or doubled twice a year.
    public static string Instant(DateTimeOffset value) => value.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static string? Duration(TimeSpan? value) => value switch
    {
        null => null,
        { TotalSeconds: < 60 } short_ => string.Create(CultureInfo.InvariantCulture, $"{short_.TotalSeconds:0.00} s"),
        { TotalDays: < 1 } hours => hours.ToString(@"h\:mm\:ss", CultureInfo.InvariantCulture),
        { } days => days.ToString(@"d'd 'h\:mm\:ss", CultureInfo.InvariantCulture),
    };

    /// <summary>How long something has been going on, in whole seconds.</summary>
    public static string Age(TimeSpan value)
    {
        var whole = value < TimeSpan.Zero ? TimeSpan.Zero : value;
        return whole.ToString(whole.TotalDays >= 1 ? @"d'd 'h\:mm\:ss" : @"h\:mm\:ss", CultureInfo.InvariantCulture);
    }

    public static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    public static void WriteInstant(Utf8JsonWriter json, string name, DateTimeOffset? value)
    {
        if (value is { } instant)
            json.WriteString(name, instant);
        else
            json.WriteNull(name);
    }
}
