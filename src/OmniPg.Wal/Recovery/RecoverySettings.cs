using System.Text;

namespace OmniPg.Wal;

/// <summary>The lines of <c>postgresql.auto.conf</c> that make a restored server recover: the last value of a setting counts, so they stand behind all others.</summary>
internal static class RecoverySettings
{
    public const string File = "postgresql.auto.conf";

    // Left by the old server in postgresql.conf, they would end recovery elsewhere, or clean up an archive of which older backups still need the WAL.
    private static readonly string[] OfTheOldServer =
        ["recovery_target", "recovery_target_time", "recovery_target_xid", "recovery_target_lsn", "recovery_target_name", "archive_cleanup_command", "recovery_end_command"];

    // Reset in a copy that may touch nothing; the server would refuse hot standby with fewer walsenders than its primary, so nobody gets in before its end.
    private static readonly (string Name, string Value)[] Reset =
    [
        ("archive_mode", "off"), ("archive_command", ""), ("primary_conninfo", ""), ("primary_slot_name", ""), ("shared_preload_libraries", ""),
        ("session_preload_libraries", ""), ("local_preload_libraries", ""), ("listen_addresses", ""), ("max_wal_senders", "0"),
        ("max_logical_replication_workers", "0"), ("hot_standby", "off"), ("synchronous_standby_names", ""), ("external_pid_file", ""), ("ssl", "off"),
        ("logging_collector", "off"), ("log_destination", "stderr"), ("recovery_min_apply_delay", "0"),
    ];

    private const int FirstWithArchiveLibrary = 15;

    /// <summary>The settings without which a copy might touch something outside of it.</summary>
    public static IReadOnlyList<(string Name, string Value)> Harmless(int pgVersion) =>
        pgVersion >= FirstWithArchiveLibrary ? [.. Reset, ("archive_library", "")] : Reset;

    /// <summary>The file with old recovery settings left out: two targets at once are an error, and an old command would fetch from another archive.</summary>
    /// <param name="old">Its content.</param>
    /// <param name="backup">The backup.</param>
    /// <param name="options">How it is restored.</param>
    /// <param name="command">The <c>restore_command</c>; null sets none.</param>
    public static string Rewrite(string old, BackupInfo backup, BackupRestoreOptions options, string? command)
    {
        var text = new StringBuilder();
        foreach (var line in old.Split('\n').Where(l => l.Length > 0 && !IsRecovery(l)))
            text.Append(line).Append('\n');
        foreach (var (name, value) in Of(backup, options, command))
            text.Append(name).Append(" = ").Append(Quote(value)).Append('\n');
        return text.ToString();
    }

    private static IEnumerable<(string Name, string Value)> Of(BackupInfo backup, BackupRestoreOptions options, string? command)
    {
        if (command is not null)
            yield return ("restore_command", command);
        // Before the target, because a setting that is set empty behind it counts as a second target (error_multiple_recovery_targets).
        foreach (var name in OfTheOldServer.Where(n => n != options.Target.Setting))
            yield return (name, "");
        yield return ("recovery_target_timeline", options.Target.Timeline is { } timeline ? $"{timeline}" : "latest");
        if (options.Target.Setting.Length > 0)
        {
            yield return (options.Target.Setting, options.Target.Value);
            yield return ("recovery_target_inclusive", options.Target.IsInclusive ? "on" : "off");
        }

        // Without hot standby, which a harmless copy is, a pause is a shutdown: nobody would ever get in.
        if (!options.Standby)
            yield return ("recovery_target_action", options.Harmless && options.TargetAction == "pause" ? "promote" : options.TargetAction);
        if (options.PrimaryConnectionInfo is { } primary)
            yield return ("primary_conninfo", primary);
        if (!options.Harmless)
            yield break;
        foreach (var setting in Harmless(backup.PgVersion))
            yield return setting;
    }

    private static bool IsRecovery(string line)
    {
        var name = line.AsSpan().TrimStart();
        return name.StartsWith("recovery_target", StringComparison.OrdinalIgnoreCase) || name.StartsWith("restore_command", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("archive_cleanup_command", StringComparison.OrdinalIgnoreCase) || name.StartsWith("recovery_end_command", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith("primary_conninfo", StringComparison.OrdinalIgnoreCase) || name.StartsWith("primary_slot_name", StringComparison.OrdinalIgnoreCase);
    }

    // guc-file.l: a quote is doubled, a backslash escapes, and a value ends with its line.
    private static string Quote(string value) =>
        $"'{value.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal)}'";
}
