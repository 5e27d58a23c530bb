using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Jobmon;

/// <summary>Spans and instruments of this package. Add them with <c>AddSource("OmniPg.Jobmon")</c> and <c>AddMeter("OmniPg.Jobmon")</c>.</summary>
internal static class JobmonTelemetry
{
    public const string Name = "OmniPg.Jobmon";

    private const string StepSpan = "job.step";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);
    private static readonly double[] WriteSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
    private static readonly double[] JobSeconds = [0.1, 1, 10, 60, 300, 900, 3600, 14400, 86400];

    private static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "omnipg.job.duration", "s", "Run time of jobs.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = JobSeconds });

    private static readonly UpDownCounter<long> Active = Meter.CreateUpDownCounter<long>("omnipg.job.active", "{job}", "Jobs that run now.");

    private static readonly Counter<long> Completed = Meter.CreateCounter<long>("omnipg.job.completed", "{job}", "Jobs that ended, by status.");

    private static readonly Histogram<double> WriteDuration = Meter.CreateHistogram(
        "omnipg.jobmon.write.duration", "s", "Time of one write to the job log.", null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = WriteSeconds });

    private static readonly Counter<long> EventsDropped = Meter.CreateCounter<long>(
        "omnipg.jobmon.events.dropped", "{event}", "Events of the job log that were given up, by reason.");

    public static Activity? StartJob(string jobName)
    {
        Active.Add(1, Tag("omnipg.job.name", jobName));
        return Source.StartActivity("job", ActivityKind.Internal)?.SetTag("omnipg.job.name", jobName);
    }

    /// <summary>The span of a step, below that of the step it belongs to; to be called in the caller's own frame, whose current span it becomes.</summary>
    public static Activity? StartStep(string jobName, string action, Activity? parent)
    {
        if (!Source.HasListeners())
            return null;
        // A step that is still open beside the new one is no parent of it.
        while (Activity.Current is { OperationName: StepSpan } beside && beside.Source == Source && beside != parent)
            Activity.Current = OpenParent(beside);
        return Source.StartActivity(StepSpan, ActivityKind.Internal)?.SetTag("omnipg.job.name", jobName).SetTag("omnipg.job.step", action);
    }

    /// <summary>
    /// Makes the span around an own one the current one again. To be called in the caller's own frame: where the span is stopped, behind
    /// an await, the change would be undone on return, and every later span of the caller would hang on a stopped one.
    /// </summary>
    public static void Leave(Activity? activity)
    {
        if (activity is not null && Activity.Current == activity)
            Activity.Current = OpenParent(activity);
    }

    public static void EndJob(string jobName, TimeSpan duration, string status)
    {
        Active.Add(-1, Tag("omnipg.job.name", jobName));
        Duration.Record(duration.TotalSeconds, Tag("omnipg.job.name", jobName), Tag("status", status));
        Completed.Add(1, Tag("omnipg.job.name", jobName), Tag("status", status));
    }

    public static void EndActivity(Activity? activity, long? jobId, AlertLevel level, Exception? error)
    {
        if (activity is null)
            return;
        activity.SetTag("omnipg.job.id", jobId);
        if (level > AlertLevel.Warning)
            activity.SetStatus(ActivityStatusCode.Error);
        if (error is not null)
        {
            activity.SetTag("error.type", error is OmniPgException own ? own.Code : error.GetType().FullName);
            activity.SetTag("db.response.status_code", (error as Npgsql.PostgresException)?.SqlState);
        }

        activity.Stop();
    }

    public static void Written(TimeSpan duration, string operation, Exception? error)
    {
        if (WriteDuration.Enabled)
            WriteDuration.Record(duration.TotalSeconds, Tag("operation", operation), Tag("error.type", error?.GetType().FullName));
    }

    public static void Dropped(int count, string reason) => EventsDropped.Add(count, Tag("reason", reason));

    private static Activity? OpenParent(Activity activity)
    {
        var parent = activity.Parent;
        while (parent is { IsStopped: true })
            parent = parent.Parent;
        return parent;
    }

    private static KeyValuePair<string, object?> Tag(string key, object? value) => new(key, value);
}
