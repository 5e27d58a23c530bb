using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using OmniPg.Jobmon;

namespace OmniPg.Mimeo;

/// <summary>What a refresh or a set-up tells: span, metrics, log, and the job log under the names that the extension gives its jobs.</summary>
internal sealed class RunRecord(ILogger logger, IJobmon? jobmon)
{
    /// <summary>Records a refresh of these tables.</summary>
    public async Task<IReadOnlyList<RefreshResult>> RefreshAsync(IReadOnlyList<ReplicationSpec> tables, Func<CancellationToken, Task<IReadOnlyList<RefreshResult>>> work, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        using var span = MimeoTelemetry.Source.StartActivity("mimeo.refresh");
        span?.SetTag("omnipg.mimeo.destination", string.Join(' ', tables.Select(t => t.Target.ToString())));
        span?.SetTag("omnipg.mimeo.kind", string.Join(' ', tables.Select(t => KindOf(t.Kind)).Distinct()));
        try
        {
            var job = tables.Count > 1 ? string.Create(CultureInfo.InvariantCulture, $"Refresh Group: {SpecTable.Text(tables[0].Target)} and {tables.Count - 1} more") : $"Refresh {NameOf(tables[0].Kind)}: {SpecTable.Text(tables[0].Target)}";
            var results = await LogJobAsync(tables.Any(t => t.Audit), job, work, TellAsync, cancellationToken).ConfigureAwait(false);
            foreach (var result in results)
                Told(result, clock.Elapsed);
            return results;
        }
        catch (Exception error)
        {
            span?.SetTag("error.type", (error as OmniPgException)?.Code ?? error.GetType().Name);
            span?.SetStatus(ActivityStatusCode.Error);
            foreach (var table in tables)
                MimeoTelemetry.Refreshes.Add(1, Tags(table.Kind, error is OperationCanceledException ? "cancelled" : "failed"));
            throw;
        }
    }

    /// <summary>Records a set-up.</summary>
    public async Task<CreateResult> CreateAsync(ReplicationSpec spec, Func<CancellationToken, Task<CreateResult>> work, CancellationToken cancellationToken)
    {
        var maker = spec.Kind switch { ReplicationKind.Snapshot => "Snapshot", ReplicationKind.Logdel => "LogDel", var kind => NameOf(kind) };
        var result = await LogJobAsync(spec.Audit, $"{maker} Maker: {SpecTable.Text(spec.Source)}", work, async (job, result) =>
        {
            var step = await job.StepAsync($"Setting up {SpecTable.Text(spec.Target)}").ConfigureAwait(false);
            await using var closing = step.ConfigureAwait(false);
            await EndAsync(step, string.Create(CultureInfo.InvariantCulture, $"{result.Rows} rows{(result.DestinationExisted ? "; the destination existed" : "")}"), result.Warnings).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        MimeoLog.Created(logger, spec.Target.ToString(), KindOf(spec.Kind), result.Rows);
        foreach (var warning in result.Warnings)
            MimeoLog.Warned(logger, spec.Target.ToString(), warning);
        return result;
    }

    /// <summary>Sets the gauges of a table.</summary>
    public static TableStatusResult Measured(TableStatusResult status)
    {
        var tag = new KeyValuePair<string, object?>("omnipg.mimeo.destination", status.Spec.Target.ToString());
        if ((status.Behind ?? status.SinceLastRun) is { } lag)
            MimeoTelemetry.Lag.Record(lag.TotalSeconds, tag);
        if (status.Waiting is { } waiting)
            MimeoTelemetry.Waiting.Record(waiting, tag);
        if (status.RetainedBytes is { } retained)
            MimeoTelemetry.Retained.Record(retained, tag);
        return status;
    }

    // A run that fails or is cancelled is recorded by the job log itself.
    private async Task<T> LogJobAsync<T>(bool audit, string name, Func<CancellationToken, Task<T>> work, Func<IJob, T, Task> tell, CancellationToken cancellationToken) =>
        jobmon is null || !audit ? await work(cancellationToken).ConfigureAwait(false)
            : (await jobmon.RunAsync(name, async (job, cancellation) =>
            {
                var result = await work(cancellation).ConfigureAwait(false);
                await tell(job, result).ConfigureAwait(false);
                return result;
            }, cancellationToken: cancellationToken).ConfigureAwait(false))!;

    // Texts that dashboards of the original look for.
    private static async Task TellAsync(IJob job, IReadOnlyList<RefreshResult> results)
    {
        foreach (var result in results)
        {
            var name = SpecTable.Text(result.Destination);
            var step = await job.StepAsync(result.Status == RefreshStatus.SkippedLocked ? $"Obtaining advisory lock for job: Refresh {NameOf(result.Kind)}: {name}" : $"Refreshing {name}").ConfigureAwait(false);
            await using var closing = step.ConfigureAwait(false);
            switch (result.Status)
            {
                case RefreshStatus.SkippedLocked:
                    await step.WarnAsync("Found concurrent job. Exiting gracefully").ConfigureAwait(false);
                    break;
                case RefreshStatus.SkippedUnchanged:
                    await EndAsync(step, "Remote table has not had any writes. Skipping data pull", result.Warnings).ConfigureAwait(false);
                    break;
                default:
                    await EndAsync(step, string.Create(CultureInfo.InvariantCulture, $"{result.Status}: {result.Rows} rows, {result.Bytes} bytes"), result.Warnings).ConfigureAwait(false);
                    break;
            }
        }
        // Level 2, which the log's checks tell apart from a failure.
        if (results.Any(r => r.Status == RefreshStatus.SkippedLocked || r.Warnings.Count > 0))
            await job.FailAsync("Ended with warnings", AlertLevel.Warning).ConfigureAwait(false);
    }

    private static ValueTask EndAsync(IStep step, string text, IReadOnlyList<string> warnings) => warnings.Count > 0 ? step.WarnAsync($"{text}. {string.Join(' ', warnings)}") : step.CompleteAsync(text);

    private void Told(RefreshResult result, TimeSpan elapsed)
    {
        MimeoTelemetry.Rows.Add(result.Rows, new KeyValuePair<string, object?>("omnipg.mimeo.kind", KindOf(result.Kind)));
        MimeoTelemetry.Bytes.Add(result.Bytes, new KeyValuePair<string, object?>("omnipg.mimeo.kind", KindOf(result.Kind)));
        MimeoTelemetry.Refreshes.Add(1, Tags(result.Kind, result.Status switch
        {
            RefreshStatus.Refreshed => "refreshed",
            RefreshStatus.NothingNew => "nothing-new",
            RefreshStatus.SkippedUnchanged => "unchanged",
            RefreshStatus.SkippedLocked => "locked",
            RefreshStatus.PausedForDst => "paused",
            _ => "limited",
        }));
        MimeoTelemetry.RefreshDuration.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("omnipg.mimeo.kind", KindOf(result.Kind)));
        MimeoLog.Refreshed(logger, result.Destination.ToString(), KindOf(result.Kind), result.Status.ToString(), result.Rows, result.Bytes, elapsed.TotalMilliseconds);
        foreach (var warning in result.Warnings)
            MimeoLog.Warned(logger, result.Destination.ToString(), warning);
    }

    private static TagList Tags(ReplicationKind kind, string status) => new() { { "omnipg.mimeo.kind", KindOf(kind) }, { "status", status } };

    private static string KindOf(ReplicationKind kind) => kind.ToString().ToLowerInvariant();

    private static string NameOf(ReplicationKind kind) => kind switch { ReplicationKind.Snapshot => "Snap", ReplicationKind.Dml => "DML", ReplicationKind.Logdel => "Log Del", _ => kind.ToString() };
}
