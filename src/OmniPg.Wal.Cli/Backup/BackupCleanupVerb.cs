namespace OmniPg.Wal.Cli;

/// <summary>Retention of base backups and of the WAL that they need: omnipitr-backup-cleanup.</summary>
internal sealed class BackupCleanupVerb : Verb
{
    private static readonly Option Directory = Option.Value("--backup-dir", "PLACE", "the place of the backups: a directory, s3://… or azure://…", "-b", "--source", "-s");
    private static readonly Option KeepDays = Option.Value("--keep-days", "N", "keep backups of the last N days", "-k");
    private static readonly Option KeepCount = Option.Value("--keep-count", "N", "keep the newest N valid backups");
    private static readonly Option KeepWindow = Option.Value("--keep-window", "DAYS", "keep what it takes to restore to any moment of the last DAYS days");
    private static readonly Option DryRun = Option.Flag("--dry-run", "only print what would be removed", "-d");

    public override string Name => "backup-cleanup";

    public override string Summary => "remove base backups that no rule keeps, and the WAL that none of the others needs";

    public override string Example => "omnipg-wal backup-cleanup --backup-dir /mnt/backup --archive /mnt/archive --keep-days 7 --keep-count 2";

    public override string LogName => "omnipitr-backup-cleanup";

    public override IReadOnlyList<Option> Options { get; } = [Directory, BackupOptions.Archive, KeepDays, KeepCount, KeepWindow, DryRun, .. StoreOptions.All, .. OldBackupOptions.RefusedByCleanup];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var retention = new BackupRetention
        {
            Days = arguments.Integer(KeepDays, 1),
            Count = arguments.Integer(KeepCount, 1),
            Window = arguments.Integer(KeepWindow, 1) is { } days ? TimeSpan.FromDays(days) : null,
            DryRun = arguments.Has(DryRun),
        };
        // The original's rule when none is given.
        if (retention is { Days: null, Count: null, Window: null })
            retention.Days = 7;
        var archive = arguments.Has(BackupOptions.Archive) ? BackupOptions.Open(arguments, BackupOptions.Archive, context) : null;
        var result = await new BackupCatalog(BackupOptions.Open(arguments, Directory, context), context.Logs, context.Time).CleanupAsync(retention, archive, cancellationToken);
        // Of a dry run the lines are all that there is.
        Action<string> tell = retention.DryRun ? context.Output.WriteLine : context.Report;
        var verb = retention.DryRun ? "would remove" : "removed";
        foreach (var backup in result.Removed)
            tell($"{verb} {BackupListing.Line(backup)}");
        if (archive is not null)
            tell($"{verb} {result.RemovedWal.Count} WAL files before {result.WalKeptFrom}");
        foreach (var spared in result.Spared)
            tell($"spared {spared.Backup.Id}: it {spared.Reason}");
        tell($"kept {result.Kept.Count} backups");
        return ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);
}
