namespace OmniPg.Wal.Cli;

/// <summary>A data directory out of a base backup, set up to recover from an archive.</summary>
internal sealed class BackupRestoreVerb : Verb
{
    private static readonly Option To = Option.Value("--to", "DIR", "the folder, empty or not there yet");
    private static readonly Option Map = Option.Many("--map", "OLD:NEW", "the tablespace in OLD goes to NEW");
    private static readonly Option Standby = Option.Flag("--standby", "make a standby instead of ending recovery");
    private static readonly Option Primary = Option.Value("--primary", "CONNINFO", "primary_conninfo of the standby");
    private static readonly Option Harmless = Option.Flag("--harmless", "the server archives, streams, subscribes, preloads and listens to nothing");
    private static readonly Option Action = Option.Value("--target-action", "WORD", "at the target: pause (default), promote or shutdown");

    public override string Name => "backup-restore";

    public override string Summary => "make a data directory out of a base backup and set it up to recover";

    public override string Example => "omnipg-wal backup-restore --source /mnt/backup --archive /mnt/archive --to /srv/restored --target-time 2026-05-01T12:00:00+02:00";

    public override IReadOnlyList<Option> Options { get; } =
    [
        BackupOptions.Source, RecoveryOptions.Backup, To, BackupOptions.Archive, Map, Standby, Primary, Harmless, RecoveryOptions.Command, .. RecoveryOptions.Targets, Action, .. StoreOptions.All,
        CommonOptions.Json,
    ];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new BackupRestoreOptions
        {
            BackupId = RecoveryOptions.BackupOf(arguments),
            Target = RecoveryOptions.TargetOf(arguments),
            TargetAction = arguments.Choice(Action, "pause", ("pause", "pause"), ("promote", "promote"), ("shutdown", "shutdown")),
            RestoreCommand = RecoveryOptions.CommandOf(arguments),
            Standby = arguments.Has(Standby),
            PrimaryConnectionInfo = arguments.Get(Primary),
            TablespaceMap = arguments.All(Map).Select(Pair).ToDictionary(p => p.Old, p => p.New),
            Harmless = arguments.Has(Harmless),
        };
        var to = arguments.Require(To);
        using var progress = ProgressLine.Start(context);
        var (source, archive) = (BackupOptions.Open(arguments, BackupOptions.Source, context), BackupOptions.OpenIfGiven(arguments, BackupOptions.Archive, context));
        var backup = await new BackupRestore(source, options, archive, context.Logs, context.Time).RunAsync(to, progress, cancellationToken);
        progress?.Dispose();
        if (arguments.Has(CommonOptions.Json))
            JsonDocumentWriter.Write(context, json => BackupListing.WriteMembers(json, backup));
        else
            context.Report($"restored {backup.Id} into '{OneLine.Of(to)}'");
        return ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    private static (string Old, string New) Pair(string text) => text.IndexOf(":/", StringComparison.Ordinal) is > 0 and var at && text.LastIndexOf(":/", StringComparison.Ordinal) == at
        ? (text[..at], text[(at + 1)..])
        : throw RecoveryOptions.Wrong(Map, text, "two absolute paths, OLD:NEW");
}
