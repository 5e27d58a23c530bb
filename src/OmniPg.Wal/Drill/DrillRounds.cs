using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>The drills of a host: runs one when its turn comes, remembers how it ended, and answers the health check.</summary>
internal sealed class DrillRounds(RestoreDrill drill, TimeProvider time, ILoggerFactory? loggers)
{
    private readonly ILogger _log = loggers?.CreateLogger<RestoreDrill>() ?? NullLogger<RestoreDrill>.Instance;
    private readonly Moment _since = Moment.Now(time);
    private volatile Round? _last;

    public async Task RunAsync(CancellationToken cancellationToken) =>
        _last = new Round(await drill.RunAsync(cancellationToken: cancellationToken).ConfigureAwait(false), null, Moment.Now(time));

    /// <summary>Takes note of a drill that could not run; false for what nobody foresaw.</summary>
    public bool HasFailed(Exception error)
    {
        DrillLog.Failed(_log, error.Message);
        _last = new Round(null, error, Moment.Now(time));
        return error is OmniPgException or IOException or UnauthorizedAccessException;
    }

    public HealthCheckResult Health(TimeSpan maxAge, HealthStatus failureStatus)
    {
        if (_last is not { } last)
        {
            // The first one may hang as well as any other.
            return _since.AgeBy(time) is var waited && waited > maxAge
                ? new HealthCheckResult(failureStatus, $"No drill has ended since the start, '{waited}' ago, more than '{maxAge}'.")
                : HealthCheckResult.Degraded("No drill has ended since the start.");
        }

        if (last.Result is not { } result)
            return new HealthCheckResult(failureStatus, $"The last drill could not run: {last.Error!.Message}", last.Error);
        var data = new Dictionary<string, object>
        {
            ["ended"] = last.Ended.At,
            ["verdict"] = result.Verdict.ToString(),
            ["restoreSeconds"] = result.Restore.TotalSeconds,
            ["replaySeconds"] = result.Replay.TotalSeconds,
            ["lostRows"] = result.LostRows,
        };
        if (result.ReachedTime is { } reached)
            data["reached"] = reached;
        if (last.Ended.AgeBy(time) is var age && age > maxAge)
            return new HealthCheckResult(failureStatus, $"The last drill ended '{age}' ago, more than '{maxAge}'.", null, data);
        return result.Verdict switch
        {
            RestoreDrillVerdict.Clean => HealthCheckResult.Healthy($"Backup '{result.Backup!.Id}' was restored to '{result.ReachedTime:u}'.", data),
            RestoreDrillVerdict.Findings => HealthCheckResult.Degraded($"The drill has '{result.Findings.Count}' findings, the first: {result.Findings[0].Text}", null, data),
            _ => HealthCheckResult.Unhealthy(result.Reason, null, data),
        };
    }

    private sealed record Round(RestoreDrillResult? Result, Exception? Error, Moment Ended);

    /// <summary>A moment by the time of day and by a clock that nobody sets. Of a machine that slept the one knows more, after a clock that was set back the other.</summary>
    private readonly record struct Moment(DateTimeOffset At, long Stamp)
    {
        public static Moment Now(TimeProvider time) => new(time.GetUtcNow(), time.GetTimestamp());

        public TimeSpan AgeBy(TimeProvider time) => time.GetUtcNow() - At is var told && time.GetElapsedTime(Stamp) is var passed && told > passed ? told : passed;
    }
}
