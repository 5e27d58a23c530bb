using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Extractor.Diagnostics;

/// <summary>Sources of spans and metrics; the name is what users subscribe to.</summary>
internal static class ExtractorTelemetry
{
    public const string Name = "OmniPg.Extractor";

    public static ActivitySource Source { get; } = new(Name);

    public static Meter Meter { get; } = new(Name);
}
