using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Extractor;

/// <summary>Sources of spans and metrics; the name is what users subscribe to.</summary>
internal static class ExtractorTelemetry
{
    public const string Name = "OmniPg.Extractor";

    public static ActivitySource Source { get; } = new(Name);

    public static Meter Meter { get; } = new(Name);

    public static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "omnipg.extractor.duration", "s", "Time of an extraction by phase: until the table of contents was read, then until the tree was on disk.", null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] });

    public static readonly Counter<long> Entries =
        Meter.CreateCounter<long>("omnipg.extractor.entries", "{entry}", "Entries of archives, by what became of them.");

    public static readonly Counter<long> Files =
        Meter.CreateCounter<long>("omnipg.extractor.files", "{file}", "Files of trees, by what happened to them.");
}
