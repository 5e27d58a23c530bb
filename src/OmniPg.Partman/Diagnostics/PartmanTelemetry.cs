using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Partman;

/// <summary>Names of the activity source and the meter of this package, and their instruments.</summary>
public static class PartmanTelemetry
{
    /// <summary>Name of the <see cref="ActivitySource"/> and the <see cref="Meter"/>.</summary>
    public const string SourceName = "OmniPg.Partman";

    internal static readonly ActivitySource Source = new(SourceName);
    internal static readonly Meter Meter = new(SourceName);
    internal static readonly Counter<long> Created = Meter.CreateCounter<long>("omnipg.partman.partitions.created", "{partition}", "Partitions that were created.");
    internal static readonly Counter<long> Retired = Meter.CreateCounter<long>("omnipg.partman.partitions.retired", "{partition}", "Partitions that left their set.");
    internal static readonly Counter<long> LockTimeouts = Meter.CreateCounter<long>("omnipg.partman.lock.timeouts", "{timeout}", "Attempts that did not get their locks.");
    internal static readonly Histogram<double> MaintenanceDuration = Meter.CreateHistogram<double>("omnipg.partman.maintenance.duration", "s", "Time of a maintenance over all its sets.");

    internal static string Of(PartitionFate fate) => fate switch { PartitionFate.Drop => "drop", PartitionFate.Move => "move", PartitionFate.Archive => "archive", _ => "detach" };
}
