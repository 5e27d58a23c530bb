using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>What an archive can restore.</summary>
internal sealed class ShowVerb : Verb
{
    private static readonly Option Fast = Option.Flag("--no-restore-points", "do not read all segments for their restore points");

    public override string Name => "show";

    public override string Summary => "print timelines, gaps, recovery window and restore points of an archive";

    public override string Example => "omnipg-wal show --archive /mnt/archive --json";

    public override IReadOnlyList<Option> Options { get; } = [.. ArchiveOption.All, Fast, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var repository = new WalRepository(ArchiveOption.Open(arguments, context), context.Logs);
        var timelines = await repository.GetTimelinesAsync(cancellationToken);
        var window = await repository.GetRecoveryWindowAsync(cancellationToken);
        var points = arguments.Has(Fast) ? [] : await PointsAsync(repository, context, cancellationToken);
        if (arguments.Has(CommonOptions.Json))
            JsonDocumentWriter.Write(context, json => WriteJson(json, timelines, window, points));
        else
            WriteText(context.Output, timelines, window, points);
        return ExitCodes.Done;
    }

    private static async Task<List<WalRestorePoint>> PointsAsync(WalRepository repository, ProgramContext context, CancellationToken cancellationToken)
    {
        using var progress = ProgressLine.Start(context);
        var points = new List<WalRestorePoint>();
        await foreach (var point in repository.GetRestorePointsAsync(progress, cancellationToken))
            points.Add(point);
        return points;
    }

    private static void WriteText(TextWriter output, IReadOnlyList<WalTimeline> timelines, RecoveryWindow window, List<WalRestorePoint> points)
    {
        foreach (var timeline in timelines)
        {
            var origin = timeline.History.Ancestors is [.., var parent] ? $", from timeline {parent.Timeline} at {parent.SwitchLsn}" : "";
            output.WriteLine($"timeline {timeline.Timeline}: {timeline.First} to {timeline.Last}, {timeline.Segments} segments{origin}");
        }

        foreach (var gap in window.Gaps)
            output.WriteLine($"gap on timeline {gap.Timeline}: {gap.From} to {gap.To} ({gap.Count} segments)");
        output.WriteLine($"window: {Time(window.Earliest)} to {Time(window.LatestCommit)} on timeline {window.Timeline}");
        output.WriteLine("recoverable: only with a base backup from before the wanted moment; the window is that of the WAL");
        foreach (var point in points)
            output.WriteLine($"restore point '{OneLine.Of(point.Name)}': {Time(point.Time)} at {point.Lsn} on timeline {point.File?.Timeline}");
    }

    private static void WriteJson(Utf8JsonWriter json, IReadOnlyList<WalTimeline> timelines, RecoveryWindow window, List<WalRestorePoint> points)
    {
        ListingJson.WriteTimelines(json, timelines);
        ListingJson.WriteGaps(json, window.Gaps);
        json.WriteStartObject("window");
        ListingJson.WriteTime(json, "earliest", window.Earliest);
        ListingJson.WriteTime(json, "latestCommit", window.LatestCommit);
        json.WriteNumber("timeline", window.Timeline);
        json.WriteEndObject();
        // Without a base backup nothing is; the window is that of the WAL.
        json.WriteStartArray("recoverable");
        json.WriteEndArray();
        json.WriteStartArray("restorePoints");
        foreach (var point in points)
        {
            json.WriteStartObject();
            json.WriteString("name", point.Name);
            ListingJson.WriteTime(json, "time", point.Time);
            json.WriteString("lsn", point.Lsn.ToString());
            json.WriteNumber("timeline", point.File!.Value.Timeline);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Time(DateTimeOffset? time) => time is { } t ? ListingJson.Text(t) : "(none)";
}
