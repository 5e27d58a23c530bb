using System.Diagnostics.Metrics;

namespace OmniPg.Wal;

/// <summary>Measurements of restore, on the package's meter.</summary>
internal static class RestoreMetrics
{
    private static readonly Histogram<double> Duration = WalTelemetry.Meter.CreateHistogram<double>(
        "omnipg.wal.restore.duration", "s", "Time from a request to its answer, by status; waiting included.");

    private static readonly Counter<long> Hits = WalTelemetry.Meter.CreateCounter<long>(
        "omnipg.wal.prefetch.hits", "{segment}", "Segments that were in the spool when they were asked for.");

    private static readonly Counter<long> Misses = WalTelemetry.Meter.CreateCounter<long>(
        "omnipg.wal.prefetch.misses", "{segment}", "Segments that had to be fetched on demand although there is a spool.");

    public static void Record(WalRestoreOutcome outcome, bool hasSpool)
    {
        var restored = outcome.Status == WalRestoreStatus.Restored;
        Duration.Record(outcome.Elapsed.TotalSeconds, new KeyValuePair<string, object?>("status", restored ? "restored" : "not-found"));
        if (hasSpool && restored && outcome.File.Kind == WalFileKind.Segment)
            (outcome.FromSpool ? Hits : Misses).Add(1);
    }
}
