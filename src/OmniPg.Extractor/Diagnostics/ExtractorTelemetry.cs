using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace OmniPg.Extractor;

/// <summary>Sources of spans and metrics; the name is what users subscribe to.</summary>
internal static class ExtractorTelemetry
{
    public const string Name = "OmniPg.Extractor";

    public static ActivitySource Source { get; } = new(Name);

    public static Meter Meter { get; } = new(Name);

    private static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "omnipg.extractor.duration", "s", "Time of an extraction by phase: until the table of contents was read, then until the tree was on disk.", null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] });

    private static readonly Counter<long> Entries =
        Meter.CreateCounter<long>("omnipg.extractor.entries", "{entry}", "Entries of archives, by what became of them.");

    private static readonly Counter<long> Files =
        Meter.CreateCounter<long>("omnipg.extractor.files", "{file}", "Files of trees, by what happened to them.");

    /// <summary>Measures an extraction. The database's name is a tag: one process extracts few of them.</summary>
    public static void Record(string database, ExtractionResult report)
    {
        var name = new KeyValuePair<string, object?>("db.namespace", database);
        Duration.Record(report.DumpTime.TotalSeconds, name, new("phase", "dump"));
        Duration.Record(report.WriteTime.TotalSeconds, name, new("phase", "write"));
        Entries.Add(report.Account.InFiles, name, new("outcome", "written"));
        Entries.Add(report.Account.Filtered, name, new("outcome", "filtered"));
        Entries.Add(report.Account.Consumed, name, new("outcome", "consumed"));
        foreach (var status in report.Files.CountBy(static file => file.Status))
            Files.Add(status.Value, name, new("status", NameOf(status.Key)));
    }

    private static string NameOf(FileStatus status) => status switch
    {
        FileStatus.Created => "created",
        FileStatus.Updated => "updated",
        FileStatus.Deleted => "deleted",
        FileStatus.Unchanged => "unchanged",
        FileStatus.Stale => "stale",
        _ => "unmanaged",
    };
}
