using System.Globalization;
using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>A backup as text and as JSON.</summary>
internal static class BackupListing
{
    public static string Line(BackupInfo backup)
    {
        var marks = (backup.IncrementOf is { } prior ? $", changes of {prior}" : "") + (backup.IsKept ? ", kept" : "") + (backup.IncludesWal ? ", with its WAL" : "") + (backup.FromStandby ? ", from a standby" : "") + DamagedPages(backup) + (backup.Problem is { } problem ? $", NOT VALID: {problem}" : "");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{backup.Id}: {ListingJson.Text(backup.Started)} to {ListingJson.Text(backup.Stopped)}, {backup.StartLsn} to {backup.StopLsn} on timeline {backup.Timeline}, {backup.RawBytes} bytes ({backup.StoredBytes} stored), '{OneLine.Of(backup.Label)}'{marks}");
    }

    private static string DamagedPages(BackupInfo backup)
    {
        var own = backup.DamagedPages ?? 0;
        return (own > 0 ? $", {own} DAMAGED PAGES" : "") + (backup.ChainDamagedPages > own ? $", {backup.ChainDamagedPages - own} DAMAGED PAGES in what it stands on" : "");
    }

    public static void WriteMembers(Utf8JsonWriter json, BackupInfo backup)
    {
        json.WriteString("id", backup.Id);
        json.WriteString("type", backup.IncrementOf is null ? "full" : "incremental");
        if (backup.IncrementOf is { } prior)
            json.WriteString("incrementOf", prior);
        json.WriteString("label", backup.Label);
        ListingJson.WriteTime(json, "start", backup.Started);
        ListingJson.WriteTime(json, "stop", backup.Stopped);
        json.WriteString("startLsn", backup.StartLsn.ToString());
        json.WriteString("stopLsn", backup.StopLsn.ToString());
        json.WriteNumber("timeline", backup.Timeline);
        json.WriteString("walFrom", backup.WalFrom.ToString());
        json.WriteString("walTo", backup.WalTo.ToString());
        json.WriteBoolean("includesWal", backup.IncludesWal);
        json.WriteBoolean("fromStandby", backup.FromStandby);
        json.WriteNumber("bytes", backup.RawBytes);
        json.WriteNumber("storedBytes", backup.StoredBytes);
        if (backup.DamagedPages is { } pages)
            json.WriteNumber("damagedPages", pages);
        if (backup.ChainDamagedPages > 0)
            json.WriteNumber("chainDamagedPages", backup.ChainDamagedPages);
        json.WriteBoolean("keep", backup.IsKept);
        json.WriteBoolean("valid", backup.Problem is null);
        if (backup.Problem is { } problem)
            json.WriteString("problem", problem);
        json.WriteStartArray("tablespaces");
        foreach (var tablespace in backup.Tablespaces)
        {
            json.WriteStartObject();
            json.WriteNumber("oid", tablespace.Oid);
            json.WriteString("location", tablespace.Location);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>A backup of another tool.</summary>
    public static string Line(ForeignBackup backup)
    {
        var wal = backup.WalFrom is { } from ? $", {backup.StartLsn} to {backup.StopLsn}, WAL from {from}" : "";
        var reach = backup.RecoverableTo is { } to ? $", recoverable to {ListingJson.Text(to)}" : "";
        return $"{backup.Id}: {ListingJson.Text(backup.Started)} to {ListingJson.Text(backup.Stopped)}{wal}, {OneLine.Of(backup.Type)} of {backup.Tool}, restored by that{reach}{(backup.Problem is { } problem ? $", NOT VALID: {OneLine.Of(problem)}" : "")}";
    }

    public static void WriteForeign(Utf8JsonWriter json, IReadOnlyList<ForeignBackup> backups)
    {
        if (backups.Count == 0)
            return;
        json.WriteStartArray("foreignBackups");
        foreach (var backup in backups)
        {
            json.WriteStartObject();
            json.WriteString("id", backup.Id);
            json.WriteString("tool", backup.Tool);
            json.WriteString("type", backup.Type);
            ListingJson.WriteTime(json, "start", backup.Started);
            ListingJson.WriteTime(json, "stop", backup.Stopped);
            json.WriteString("startLsn", backup.StartLsn?.ToString());
            json.WriteString("stopLsn", backup.StopLsn?.ToString());
            json.WriteString("walFrom", backup.WalFrom?.ToString());
            json.WriteString("walTo", backup.WalTo?.ToString());
            ListingJson.WriteTime(json, "recoverableTo", backup.RecoverableTo);
            json.WriteBoolean("valid", backup.Problem is null);
            if (backup.Problem is { } problem)
                json.WriteString("problem", problem);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    public static void WriteAll(Utf8JsonWriter json, IEnumerable<BackupInfo> backups)
    {
        json.WriteStartArray("backups");
        foreach (var backup in backups)
        {
            json.WriteStartObject();
            WriteMembers(json, backup);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
