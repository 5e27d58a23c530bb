using System.Globalization;
using System.Runtime.CompilerServices;
using NpgsqlTypes;

namespace OmniPg.Wal.Cli;

/// <summary>A data directory out of a base backup, set up to recover from an archive.</summary>
internal sealed class BackupRestoreVerb : Verb
{
    private static readonly Option Backup = Option.Value("--backup", "ID", "the backup; 'latest' (default): the newest one before the target");
    private static readonly Option To = Option.Value("--to", "DIR", "the folder, empty or not there yet");
    private static readonly Option Map = Option.Many("--map", "OLD:NEW", "the tablespace in OLD goes to NEW");
    private static readonly Option Standby = Option.Flag("--standby", "make a standby instead of ending recovery");
    private static readonly Option Primary = Option.Value("--primary", "CONNINFO", "primary_conninfo of the standby");
    private static readonly Option Harmless = Option.Flag("--harmless", "the server archives, streams, subscribes, preloads and listens to nothing");
    private static readonly Option Command = Option.Value("--restore-command", "COMMAND", "restore_command instead of this program's own with --archive");
    private static readonly Option TargetTime = Option.Value("--target-time", "TIME", "stop before the first commit behind TIME (with its offset, such as 2026-05-01T12:00:00+02:00)");
    private static readonly Option TargetXid = Option.Value("--target-xid", "XID", "stop at the end of that transaction");
    private static readonly Option TargetLsn = Option.Value("--target-lsn", "LSN", "stop at that WAL position");
    private static readonly Option TargetName = Option.Value("--target-name", "NAME", "stop at that restore point");
    private static readonly Option Target = Option.Value("--target", "WORD", "immediate: stop as soon as the cluster is consistent; latest (default): at the end of the WAL");
    private static readonly Option Exclusive = Option.Flag("--target-exclusive", "stop before the target, not behind it");
    private static readonly Option Timeline = Option.Value("--target-timeline", "ID", "follow that timeline (default: the newest)");
    private static readonly Option Action = Option.Value("--target-action", "WORD", "at the target: pause (default), promote or shutdown");

    public override string Name => "backup-restore";

    public override string Summary => "make a data directory out of a base backup and set it up to recover";

    public override string Example => "omnipg-wal backup-restore --source /mnt/backup --archive /mnt/archive --to /srv/restored --target-time 2026-05-01T12:00:00+02:00";

    public override IReadOnlyList<Option> Options { get; } =
    [
        BackupOptions.Source, Backup, To, BackupOptions.Archive, Map, Standby, Primary, Harmless, Command, TargetTime, TargetXid, TargetLsn, TargetName, Target, Exclusive,
        Timeline, Action, CommonOptions.Json,
    ];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new BackupRestoreOptions
        {
            BackupId = arguments.Get(Backup) is { } id && id != "latest" ? id : null,
            Target = ReadTarget(arguments),
            TargetAction = arguments.Choice(Action, "pause", ("pause", "pause"), ("promote", "promote"), ("shutdown", "shutdown")),
            RestoreCommand = arguments.Get(Command) ?? (arguments.Get(BackupOptions.Archive) is { } archive ? CommandFor(Path.GetFullPath(BackupOptions.PathOf(archive))) : null),
            Standby = arguments.Has(Standby),
            PrimaryConnectionInfo = arguments.Get(Primary),
            TablespaceMap = arguments.All(Map).Select(Pair).ToDictionary(p => p.Old, p => p.New),
            Harmless = arguments.Has(Harmless),
        };
        var to = arguments.Require(To);
        using var progress = ProgressLine.Start(context);
        var backup = await new BackupRestore(BackupOptions.Open(arguments, BackupOptions.Source), options, context.Logs, context.Time).RunAsync(to, progress, cancellationToken);
        progress?.Dispose();
        if (arguments.Has(CommonOptions.Json))
            JsonDocumentWriter.Write(context, json => BackupListing.WriteMembers(json, backup));
        else
            await context.Output.WriteLineAsync($"restored {backup.Id} into '{OneLine.Of(to)}'");
        return ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    /// <summary>This program as <c>restore_command</c>. The server replaces <c>%f</c> and <c>%p</c>, and <c>%%</c> by one; a shell runs the rest.</summary>
    internal static string CommandFor(string archive)
    {
        List<string> words = [Environment.ProcessPath ?? "omnipg-wal"];
        if (RuntimeFeature.IsDynamicCodeSupported && Path.GetFileNameWithoutExtension(words[0]) == "dotnet")
            words.Add(Path.Combine(AppContext.BaseDirectory, "omnipg-wal.dll"));
        words.AddRange(["restore", "--source", archive]);
        // The server's account may not know where the runtime is, which this process does.
        var root = RuntimeFeature.IsDynamicCodeSupported && Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } given ? $"DOTNET_ROOT={Quote(given)} " : "";
        return $"{root}{string.Join(' ', words.Select(Quote))} \"%f\" \"%p\"";
    }

    private static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal)}'";

    private static RecoveryTarget ReadTarget(Arguments arguments)
    {
        var inclusive = !arguments.Has(Exclusive);
        List<RecoveryTarget> given = [];
        if (arguments.Get(TargetTime) is { } time)
            given.Add(RecoveryTarget.Time(ReadTime(time), inclusive));
        if (arguments.Get(TargetXid) is { } xid)
            given.Add(RecoveryTarget.Xid(uint.TryParse(xid, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw Wrong(TargetXid, xid, "a transaction id"), inclusive));
        if (arguments.Get(TargetLsn) is { } lsn)
            given.Add(RecoveryTarget.Lsn(NpgsqlLogSequenceNumber.TryParse(lsn, out var position) ? position : throw Wrong(TargetLsn, lsn, "a WAL position such as 0/3000148"), inclusive));
        if (arguments.Get(TargetName) is { } name)
            given.Add(RecoveryTarget.Name(name));
        if (arguments.Has(Target))
            given.Add(arguments.Choice(Target, RecoveryTarget.Latest, ("immediate", RecoveryTarget.Immediate), ("latest", RecoveryTarget.Latest)));
        if (given.Count > 1)
            throw new UsageException("Only one target can be given.");
        return (given is [var target] ? target : RecoveryTarget.Latest) with { Timeline = (uint?)arguments.Integer(Timeline, 1) };
    }

    // A time without an offset means another moment on another machine.
    private static DateTimeOffset ReadTime(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var time) && (text.EndsWith('Z') || text.LastIndexOfAny(['+', '-']) > text.IndexOf(':', StringComparison.Ordinal))
            ? time
            : throw Wrong(TargetTime, text, "a time with its offset, such as 2026-05-01T12:00:00+02:00");

    private static (string Old, string New) Pair(string text) => text.IndexOf(":/", StringComparison.Ordinal) is > 0 and var at && text.LastIndexOf(":/", StringComparison.Ordinal) == at
        ? (text[..at], text[(at + 1)..])
        : throw Wrong(Map, text, "two absolute paths, OLD:NEW");

    private static UsageException Wrong(Option option, string text, string wanted) => new($"The option {option.Name} wants {wanted}, not '{OneLine.Of(text)}'.");
}
