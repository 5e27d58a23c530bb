namespace OmniPg.Wal.Cli;

/// <summary>A repository, or one backup with its WAL, to another store.</summary>
internal sealed class CopyVerb : Verb
{
    private static readonly Option Archive = BackupOptions.Archive with { Help = "the WAL archive that is copied: a directory, s3://… or azure://…" };
    private static readonly Option To = Option.Value("--to", "PLACE", "where the copy goes, begun with 'init' or --begin: a directory, s3://… or azure://…");
    private static readonly Option Backups = BackupOptions.Source with { Help = "the place of the base backups (default: the archive)" };
    private static readonly Option Backup = Option.Value("--backup", "ID", "only that backup with the WAL that it needs; 'latest': the newest (default: everything)");
    private static readonly Option Begin = Option.Flag("--begin", "begin the new place: it has no marker yet");

    public override string Name => "copy";

    public override string Summary => "copy an archive and its backups to another store, byte for byte; each file is read where it went";

    public override string Example => "omnipg-wal copy --archive /mnt/archive --source /mnt/backup --to s3://offsite/prod --begin";

    public override IReadOnlyList<Option> Options { get; } = [Archive, To, Backups, Backup, Begin, CommonOptions.MaxRate, .. StoreOptions.All, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new RepositoryCopyOptions { BackupId = arguments.Get(Backup), Begin = arguments.Has(Begin), MaxRate = arguments.Bytes(CommonOptions.MaxRate) };
        var copy = new RepositoryCopy(
            BackupOptions.OpenToRead(arguments, Archive, context), BackupOptions.Open(arguments, To, context), options, BackupOptions.OpenIfGiven(arguments, Backups, context), context.Time);
        var result = await copy.RunAsync(null, cancellationToken);
        if (arguments.Has(CommonOptions.Json))
            WriteJson(context, result);
        else
            Tell(context.Report, result);
        return result.IsGood ? ExitCodes.Done : ExitCodes.InvalidSegment;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    private static void Tell(Action<string> report, RepositoryCopyResult result)
    {
        foreach (var problem in result.Problems)
            report($"NOT COPIED {OneLine.Of(problem)}");
        foreach (var backup in result.Backups)
            report($"backup {BackupListing.Line(backup)}");
        foreach (var partial in result.Partials)
        {
            report(partial.IsBehind
                ? $"BEHIND '{partial.Name}': the copy ends at '{partial.CopiedTo}', the archive at '{partial.ArchiveEnd}'; if its server is gone for good, move the file away in the new place and copy again"
                : $"partial '{partial.Name}': the copy ends at '{partial.CopiedTo?.ToString() ?? "unknown"}'");
        }

        var unread = result.Unread > 0 ? $"; {result.Unread} encrypted files were not validated (--key)" : "";
        var growing = result.Growing > 0 ? $"; {result.Growing} segments are still being received, and come again when they are complete" : "";
        report($"copied {result.Copied} files, {result.Present} were there, {result.StoredBytes} bytes; {result.Backups.Count} backups{unread}{growing}");
    }

    private static void WriteJson(ProgramContext context, RepositoryCopyResult result) => JsonDocumentWriter.Write(context, json =>
    {
        json.WriteNumber("copied", result.Copied);
        json.WriteNumber("present", result.Present);
        json.WriteNumber("storedBytes", result.StoredBytes);
        json.WriteNumber("unread", result.Unread);
        json.WriteNumber("growing", result.Growing);
        json.WriteStartArray("partials");
        foreach (var partial in result.Partials)
        {
            json.WriteStartObject();
            json.WriteString("name", partial.Name.ToString());
            json.WriteString("copiedTo", partial.CopiedTo?.ToString());
            json.WriteString("archiveEnd", partial.ArchiveEnd?.ToString());
            json.WriteBoolean("behind", partial.IsBehind);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        BackupListing.WriteAll(json, result.Backups);
        json.WriteStartArray("problems");
        foreach (var problem in result.Problems)
            json.WriteStringValue(problem);
        json.WriteEndArray();
    });
}
