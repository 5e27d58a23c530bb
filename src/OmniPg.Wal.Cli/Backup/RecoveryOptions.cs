using System.Globalization;
using System.Runtime.CompilerServices;
using NpgsqlTypes;

namespace OmniPg.Wal.Cli;

/// <summary>What backup-restore and drill share: which backup, to which target, with which WAL.</summary>
internal static class RecoveryOptions
{
    public static readonly Option Backup = Option.Value("--backup", "ID", "the backup; 'latest' (default): the newest one from which the target is reached");
    public static readonly Option Command = Option.Value("--restore-command", "COMMAND", "restore_command instead of this program's own with --archive");
    private static readonly Option TargetTime = Option.Value("--target-time", "TIME", "stop before the first commit behind TIME (with its offset, such as 2026-05-01T12:00:00+02:00)");
    private static readonly Option TargetXid = Option.Value("--target-xid", "XID", "stop at the end of that transaction");
    private static readonly Option TargetLsn = Option.Value("--target-lsn", "LSN", "stop at that WAL position");
    private static readonly Option TargetName = Option.Value("--target-name", "NAME", "stop at that restore point");
    private static readonly Option Target = Option.Value("--target", "WORD", "immediate: stop as soon as the cluster is consistent; latest (default): at the end of the WAL");
    private static readonly Option Exclusive = Option.Flag("--target-exclusive", "stop before the target, not behind it");
    private static readonly Option Timeline = Option.Value("--target-timeline", "ID", "follow that timeline (default: the newest)");

    public static IReadOnlyList<Option> Targets { get; } = [TargetTime, TargetXid, TargetLsn, TargetName, Target, Exclusive, Timeline];

    /// <returns>Null for the newest one that fits.</returns>
    public static string? BackupOf(Arguments arguments) => arguments.Get(Backup) is { } id && id != "latest" ? id : null;

    /// <summary>The <c>restore_command</c>; null when neither it nor an archive is named.</summary>
    public static string? CommandOf(Arguments arguments) => arguments.Get(Command) ?? (arguments.Get(BackupOptions.Archive) is { } archive
        ? CommandFor(BackupOptions.PlaceOf(archive), arguments.Words.Where(w => StoreOptions.All.Any(o => w == o.Name || w.StartsWith(o.Name + "=", StringComparison.Ordinal))))
        : null);

    /// <summary>This program as <c>restore_command</c>. The server replaces <c>%f</c> and <c>%p</c>, and <c>%%</c> by one; a shell runs the rest.</summary>
    private static string CommandFor(string place, IEnumerable<string> ways)
    {
        List<string> words = [Environment.ProcessPath ?? "omnipg-wal"];
        if (RuntimeFeature.IsDynamicCodeSupported && Path.GetFileNameWithoutExtension(words[0]) == "dotnet")
            words.Add(Path.Combine(AppContext.BaseDirectory, "omnipg-wal.dll"));
        words.AddRange(["restore", "--source", place, .. ways]);
        // The server's account may not know where the runtime is, which this process does.
        var root = RuntimeFeature.IsDynamicCodeSupported && Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } given ? $"DOTNET_ROOT={Quote(given)} " : "";
        return $"{root}{string.Join(' ', words.Select(Quote))} \"%f\" \"%p\"";
    }

    private static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal).Replace("%", "%%", StringComparison.Ordinal)}'";

    public static RecoveryTarget TargetOf(Arguments arguments)
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

    public static UsageException Wrong(Option option, string text, string wanted) => new($"The option {option.Name} wants {wanted}, not '{OneLine.Of(text)}'.");
}
