namespace OmniPg.Wal.Cli;

/// <summary>archive_cleanup_command: omnipitr-cleanup.</summary>
internal sealed class CleanupVerb : Verb
{
    private static readonly Option PauseTrigger = Option.Value("--removal-pause-trigger", "FILE", "while FILE exists nothing is removed", "-p");
    private static readonly Option DryRun = Option.Flag("--dry-run", "only print what would be removed", "-d");
    private static readonly Option KeepBackups = Option.Flag("--keep-backup-history", "keep .backup files");
    private static readonly Option Compatible = Option.Flag("--omnipitr-compare", "compare whole names, timeline first, as OmniPITR did");

    public override string Name => "cleanup";

    public override string Summary => "remove archived files that lie before a file (archive_cleanup_command)";

    public override string Operands => "%r";

    public override string Example => "archive_cleanup_command = 'omnipg-wal cleanup --archive /mnt/archive %r'";

    public override string LogName => "omnipitr-cleanup";

    public override IReadOnlyList<Option> Options { get; } = [.. StoreOptions.OfArchive, PauseTrigger, DryRun, KeepBackups, Compatible];

    protected override int UsageCode => ExitCodes.Usage;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(1, "the one argument %r");
        if (!WalFileName.TryParse(arguments.Operands[0], out var keepFrom))
            throw new UsageException($"'{OneLine.Of(arguments.Operands[0])}' is not the name of a WAL file.");
        var options = new CleanupOptions
        {
            PauseTrigger = arguments.Get(PauseTrigger),
            DryRun = arguments.Has(DryRun),
            IncludeBackupHistory = !arguments.Has(KeepBackups),
            OmniPitrCompatibleComparison = arguments.Has(Compatible),
        };
        var repository = new WalRepository(StoreOptions.OpenArchive(arguments, context), context.Logs);
        var result = await repository.CleanupAsync(keepFrom, options, cancellationToken);
        if (options.DryRun)
        {
            foreach (var file in result.Removed)
                await context.Output.WriteLineAsync(file.Key);
        }

        ProgramLog.Cleaned(context.Logs.CreateLogger(Name), result.Removed.Count);
        return ExitCodes.Done;
    }
}
