using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Mimeo;

/// <summary>Names of the activity source and the meter of this package, and their instruments.</summary>
public static class MimeoTelemetry
{
    /// <summary>Name of the <see cref="ActivitySource"/> and the <see cref="Meter"/>.</summary>
    public const string SourceName = "OmniPg.Mimeo";

    internal static readonly ActivitySource Source = new(SourceName);
    internal static readonly Meter Meter = new(SourceName);
    internal static readonly Counter<long> Rows = Meter.CreateCounter<long>("omnipg.mimeo.rows", "{row}", "Rows that came from sources.");
    internal static readonly Counter<long> Bytes = Meter.CreateCounter<long>("omnipg.mimeo.bytes", "By", "Bytes that came from sources.");
    internal static readonly Counter<long> Refreshes = Meter.CreateCounter<long>("omnipg.mimeo.refreshes", "{refresh}", "Refreshes of tables that ended.");
    internal static readonly Gauge<double> Lag = Meter.CreateGauge<double>("omnipg.mimeo.lag", "s", "Time that a table is behind its source, else since its last refresh.");
    internal static readonly Gauge<long> Waiting = Meter.CreateGauge<long>("omnipg.mimeo.queue.depth", "{entry}", "Entries that wait in a queue.");
    internal static readonly Gauge<long> Retained = Meter.CreateGauge<long>("omnipg.mimeo.slot.retained", "By", "Log that a slot keeps at its source.");
    internal static readonly Histogram<double> RefreshDuration = Meter.CreateHistogram<double>("omnipg.mimeo.refresh.duration", "s", "Time of one refresh.");
}
