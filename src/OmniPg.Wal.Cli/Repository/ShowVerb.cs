using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>What an archive can restore.</summary>
internal sealed class ShowVerb : Verb
{
    private static readonly Option Backups = BackupOptions.Source with { Help = "the place of the base backups (default: the archive)" };
    private static readonly Option Fast = Option.Flag("--no-restore-points", "do not read all segments for their restore points");

    public override string Name => "show";

    public override string Summary => "print timelines, gaps, recovery window, backups and restore points of an archive";

    public override string Example => "omnipg-wal show --archive /mnt/archive --source /mnt/backup --json";

    public override IReadOnlyList<Option> Options { get; } = [.. StoreOptions.OfArchive, Backups, Fast, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var archive = StoreOptions.OpenArchiveToRead(arguments, context);
        var repository = new WalRepository(archive, context.Logs);
        var catalog = new BackupCatalog(arguments.Has(Backups) ? BackupOptions.Open(arguments, Backups, context) : archive, context.Logs, context.Time);
        var found = new Findings(
            await repository.GetTimelinesAsync(cancellationToken),
            await repository.GetRecoveryWindowAsync(cancellationToken),
            await catalog.ListAsync(static _ => { }, cancellationToken),
            await catalog.ListForeignAsync(archive, cancellationToken),
            await catalog.GetRecoverableAsync(archive, cancellationToken),
            arguments.Has(Fast) ? [] : await PointsAsync(repository, context, cancellationToken));
        if (arguments.Has(CommonOptions.Json))
            JsonDocumentWriter.Write(context, json => WriteJson(json, found));
        else
            WriteText(context.Output, found);
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

    private static void WriteText(TextWriter output, Findings found)
    {
        foreach (var timeline in found.Timelines)
        {
            var origin = timeline.History.Ancestors is [.., var parent] ? $", from timeline {parent.Timeline} at {parent.SwitchLsn}" : "";
            output.WriteLine(ListingJson.Line(timeline) + origin);
        }

        foreach (var gap in found.Window.Gaps)
            output.WriteLine($"gap on timeline {gap.Timeline}: {gap.From} to {gap.To} ({gap.Count} segments{(gap.Dropped > 0 ? $", {gap.Dropped} given up by the archiver" : "")})");
        output.WriteLine($"window: {Time(found.Window.Earliest)} to {Time(found.Window.LatestCommit)} on timeline {found.Window.Timeline}");
        foreach (var backup in found.Backups)
            output.WriteLine($"backup {BackupListing.Line(backup)}");
        foreach (var backup in found.Foreign)
            output.WriteLine($"backup {BackupListing.Line(backup)}");
        foreach (var range in found.Recoverable)
            output.WriteLine($"recoverable: {Time(range.From)} to {Time(range.To)} on timeline {range.Timeline}, from backup {range.BackupId}");
        if (found.Recoverable.Count == 0 && !found.Foreign.Any(b => b.RecoverableTo is not null))
            output.WriteLine("recoverable: only with a base backup from before the wanted moment; the window is that of the WAL");
        foreach (var point in found.Points)
            output.WriteLine($"restore point '{OneLine.Of(point.Name)}': {Time(point.Time)} at {point.Lsn} on timeline {point.File?.Timeline}");
    }

    private static void WriteJson(Utf8JsonWriter json, Findings found)
    {
        ListingJson.WriteTimelines(json, found.Timelines);
        ListingJson.WriteGaps(json, found.Window.Gaps);
        json.WriteStartObject("window");
        ListingJson.WriteTime(json, "earliest", found.Window.Earliest);
        ListingJson.WriteTime(json, "latestCommit", found.Window.LatestCommit);
        json.WriteNumber("timeline", found.Window.Timeline);
        json.WriteEndObject();
        // Without a base backup nothing is; the window is that of the WAL.
        json.WriteStartArray("recoverable");
        foreach (var range in found.Recoverable)
        {
            json.WriteStartObject();
            ListingJson.WriteTime(json, "from", range.From);
            ListingJson.WriteTime(json, "to", range.To);
            json.WriteNumber("timeline", range.Timeline);
            json.WriteString("backup", range.BackupId);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        BackupListing.WriteAll(json, found.Backups);
        BackupListing.WriteForeign(json, found.Foreign);
        json.WriteStartArray("restorePoints");
        foreach (var point in found.Points)
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

    private sealed record Findings(
        IReadOnlyList<WalTimeline> Timelines, RecoveryWindow Window, IReadOnlyList<BackupInfo> Backups, IReadOnlyList<ForeignBackup> Foreign, IReadOnlyList<RecoverableRange> Recoverable, IReadOnlyList<WalRestorePoint> Points);
}
