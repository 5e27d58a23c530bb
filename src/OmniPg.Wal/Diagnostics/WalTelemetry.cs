using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Wal;

/// <summary>Names for tracing and metrics: <c>AddSource("OmniPg.*")</c> and <c>AddMeter("OmniPg.*")</c> collect them.</summary>
public static class WalTelemetry
{
    /// <summary>Name of the activity source and of the meter.</summary>
    public const string Name = "OmniPg.Wal";

    internal static readonly ActivitySource Source = new(Name);
    internal static readonly Meter Meter = new(Name);

    internal static readonly Counter<long> ArchivedSegments =
        Meter.CreateCounter<long>("omnipg.wal.archive.segments", "{segment}", "Files handed over for archiving, by status.");

    internal static readonly Histogram<double> ArchiveDuration =
        Meter.CreateHistogram("omnipg.wal.archive.duration", "s", "Time until a file was archived or had failed.", null, DurationBuckets);

    internal static readonly Counter<long> ArchivedBytes =
        Meter.CreateCounter<long>("omnipg.wal.archive.bytes", "By", "Bytes read (stage raw) and written (stage stored, per destination).");

    internal static readonly Counter<long> ValidationFailures =
        Meter.CreateCounter<long>("omnipg.wal.validation.failures", "{segment}", "Files refused by validation.");

    internal static readonly Histogram<double> RestoreDuration =
        Meter.CreateHistogram<double>("omnipg.wal.restore.duration", "s", "Time from a request to its answer, by status; waiting included.");

    internal static readonly Counter<long> PrefetchHits =
        Meter.CreateCounter<long>("omnipg.wal.prefetch.hits", "{segment}", "Segments that were in the spool when they were asked for.");

    internal static readonly Counter<long> PrefetchMisses =
        Meter.CreateCounter<long>("omnipg.wal.prefetch.misses", "{segment}", "Segments that had to be fetched on demand although there is a spool.");

    private static int _backlog;

    internal static readonly ObservableGauge<int> BacklogGauge =
        Meter.CreateObservableGauge("omnipg.wal.archive.backlog", static () => Volatile.Read(ref _backlog), "{segment}", "Files that are ready and not archived yet, in resident mode.");

    internal static int Backlog
    {
        set => Volatile.Write(ref _backlog, value);
    }

    private static long _receiveLag;

    internal static readonly ObservableGauge<long> ReceiveLagGauge =
        Meter.CreateObservableGauge("omnipg.wal.receive.lag", static () => Volatile.Read(ref _receiveLag), "By", "WAL that the server has and the receiver's disk does not.");

    internal static long ReceiveLag
    {
        set => Volatile.Write(ref _receiveLag, value);
    }

    internal static readonly Gauge<int> MonitorLevel =
        Meter.CreateGauge<int>("omnipg.wal.monitor.level", "{level}", "Level of a check of the monitor: 0 ok, 1 warning, 2 critical, 3 unknown.");

    internal static readonly Gauge<double> MonitorRpo =
        Meter.CreateGauge<double>("omnipg.wal.monitor.rpo", "s", "Seconds of work that would be lost with the server, as the monitor last found.");

    internal static readonly Gauge<long> MonitorRpoBytes =
        Meter.CreateGauge<long>("omnipg.wal.monitor.rpo.bytes", "By", "WAL that would be lost with the server, as the monitor last found.");

    private static InstrumentAdvice<double> DurationBuckets =>
        new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] };
}
