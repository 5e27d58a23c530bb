using System.Globalization;
using System.Text.Json;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>Runs and steps as table cells and JSON objects.</summary>
internal static class JobText
{
    public static readonly string[] JobHead = ["Job id", "Job", "Status", "Started", "Duration", "Owner"];

    public static readonly string[] StepHead = ["Job id", "Step id", "Action", "Status", "Started", "Duration", "Message"];

    public static string?[] Cells(JobRecord job) =>
    [
        Number(job.JobId), job.JobName, job.Status ?? "unfinished", Instant(job.StartTime), Duration(job.Duration), job.Owner,
    ];

    public static string?[] Cells(JobStepRecord step) =>
    [
        Number(step.JobId), Number(step.StepId), step.Action, step.Status ?? "unfinished", Instant(step.StartTime), Duration(step.Duration), step.Message,
    ];

    public static void Write(Utf8JsonWriter json, JobRecord job)
    {
        json.WriteStartObject();
        json.WriteNumber("jobId", job.JobId);
        json.WriteString("jobName", job.JobName);
        json.WriteString("owner", job.Owner);
        json.WriteString("status", job.Status);
        json.WriteString("startTime", job.StartTime);
        WriteInstant(json, "endTime", job.EndTime);
        json.WriteNumber("pid", job.Pid);
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
        if (step.Info is { Current: { } current } info)
        {
            json.WriteNumber("current", current);
            if (info.Total is { } total)
                json.WriteNumber("total", total);
        }
        json.WriteEndObject();
    }

    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    public static string Instant(DateTimeOffset value) => value.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static string? Duration(TimeSpan? value) => value switch
    {
        null => null,
        { TotalSeconds: < 60 } short_ => string.Create(CultureInfo.InvariantCulture, $"{short_.TotalSeconds:0.00} s"),
        { TotalDays: < 1 } hours => hours.ToString(@"h\:mm\:ss", CultureInfo.InvariantCulture),
        { } days => days.ToString(@"d'd 'h\:mm\:ss", CultureInfo.InvariantCulture),
    };

    private static void WriteInstant(Utf8JsonWriter json, string name, DateTimeOffset? value)
    {
        if (value is { } instant)
            json.WriteString(name, instant);
        else
            json.WriteNull(name);
    }
}
