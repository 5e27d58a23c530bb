using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>
/// The lists of base backups that other tools keep: pgBackRest's <c>backup.info</c> in the stanza's folder below <c>backup</c>, Barman's <c>base/ID/backup.info</c> in the server's folder. Their data is not looked at.
/// </summary>
internal static partial class ForeignBackups
{
    private const string InfoFile = "backup.info";
    private const string BarmanFolder = "base/";
    private const int BarmanDepth = 2;
    private const string BarmanDone = "DONE";

    /// <summary>Lists them, oldest first.</summary>
    /// <returns>None where no other tool keeps backups.</returns>
    /// <exception cref="WalBackupException">A list cannot be read.</exception>
    public static async Task<IReadOnlyList<ForeignBackup>> ListAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        var plain = store is EncryptedObjectStore encrypted ? encrypted.Inner : store;
        plain = plain is ForeignArchive foreign ? foreign.Inner : plain;
        var found = new List<ForeignBackup>();
        if (await ReadAsync(plain, InfoFile, cancellationToken).ConfigureAwait(false) is { } stanza)
            found.AddRange(Guarded(plain, InfoFile, () => BackRest(stanza)));
        await foreach (var entry in plain.ListAsync(BarmanFolder, BarmanDepth, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Key.Split('/') is ["base", var id, InfoFile] && await ReadAsync(plain, entry.Key, cancellationToken).ConfigureAwait(false) is { } info)
                found.AddRange(Guarded(plain, entry.Key, () => [Barman(id, info)]));
        }

        found.Sort(static (a, b) => a.Started.CompareTo(b.Started));
        return found;
    }

    private static List<ForeignBackup> BackRest(string text)
    {
        var clusters = BackRestClusters(text);
        var found = new List<ForeignBackup>();
        foreach (Match line in BackRestBackup().Matches(text))
        {
            using var json = JsonDocument.Parse(line.Groups["json"].Value);
            var backup = json.RootElement;
            var (owner, major) = clusters[backup.GetProperty("db-id").GetInt32()];
            var isOnline = backup.TryGetProperty("backup-archive-start", out var from) && from.ValueKind == JsonValueKind.String;
            found.Add(new ForeignBackup
            {
                Tool = "pgBackRest",
                Id = line.Groups["id"].Value,
                Type = backup.GetProperty("backup-type").GetString()!,
                Started = DateTimeOffset.FromUnixTimeSeconds(backup.GetProperty("backup-timestamp-start").GetInt64()),
                Stopped = DateTimeOffset.FromUnixTimeSeconds(backup.GetProperty("backup-timestamp-stop").GetInt64()),
                StartLsn = isOnline ? NpgsqlLogSequenceNumber.Parse(backup.GetProperty("backup-lsn-start").GetString()!) : null,
                StopLsn = isOnline ? NpgsqlLogSequenceNumber.Parse(backup.GetProperty("backup-lsn-stop").GetString()!) : null,
                WalFrom = isOnline ? WalFileName.Parse(from.GetString()!) : null,
                WalTo = isOnline ? WalFileName.Parse(backup.GetProperty("backup-archive-stop").GetString()!) : null,
                SystemIdentifier = owner,
                PgVersion = major,
                Problem = backup.TryGetProperty("backup-error", out var error) && error.ValueKind == JsonValueKind.True ? "pgBackRest found wrong page checksums in it" : null,
            });
        }

        return found;
    }

    /// <summary>The clusters that the stanza has had, by the number that its backups name: <c>stanza-upgrade</c> adds one after each pg_upgrade (<c>[db:history]</c>, info/infoPg.c).</summary>
    private static Dictionary<int, (ulong SystemIdentifier, int Major)> BackRestClusters(string text)
    {
        var found = new Dictionary<int, (ulong, int)>();
        foreach (Match line in BackRestCluster().Matches(text))
        {
            using var json = JsonDocument.Parse(line.Groups["json"].Value);
            var cluster = json.RootElement;
            found.Add(
                int.Parse(line.Groups["id"].Value, NumberStyles.None, CultureInfo.InvariantCulture),
                (cluster.GetProperty("db-system-id").GetUInt64(), PgServerVersion.Parse(cluster.GetProperty("db-version").GetString()!, null).Major));
        }

        return found;
    }

    private static ForeignBackup Barman(string id, string text)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n'))
        {
            if (line.IndexOf('=', StringComparison.Ordinal) is > 0 and var at && line[(at + 1)..].TrimEnd() is var value && value != "None")
                values[line[..at]] = value;
        }

        var isDone = values.GetValueOrDefault("status") == BarmanDone;
        return new ForeignBackup
        {
            Tool = "Barman",
            Id = id,
            Type = values.GetValueOrDefault("mode", "full"),
            Started = Time("begin_time"),
            Stopped = isDone ? Time("end_time") : Time("begin_time"),
            StartLsn = isDone ? NpgsqlLogSequenceNumber.Parse(values["begin_xlog"]) : null,
            StopLsn = isDone ? NpgsqlLogSequenceNumber.Parse(values["end_xlog"]) : null,
            WalFrom = isDone ? WalFileName.Parse(values["begin_wal"]) : null,
            WalTo = isDone ? WalFileName.Parse(values["end_wal"]) : null,
            SystemIdentifier = ulong.Parse(values["systemid"], NumberStyles.None, CultureInfo.InvariantCulture),
            PgVersion = int.Parse(values["version"], NumberStyles.None, CultureInfo.InvariantCulture) / 10000,
            Problem = isDone ? null : $"its status is '{values.GetValueOrDefault("status")}'",
        };

        DateTimeOffset Time(string name) => DateTimeOffset.Parse(values[name], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
    }

    private static IReadOnlyList<ForeignBackup> Guarded(IObjectStore store, string key, Func<IReadOnlyList<ForeignBackup>> read)
    {
        try
        {
            return read();
        }
        catch (Exception damage) when (damage is JsonException or FormatException or OverflowException or ArgumentException or KeyNotFoundException or InvalidOperationException)
        {
            throw WalBackupException.Damaged(store.Id, key, $"the list of another tool cannot be read: {damage.Message}", damage);
        }
    }

    private static async Task<string?> ReadAsync(IObjectStore store, string key, CancellationToken cancellationToken)
    {
        var file = await store.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        if (file is null)
            return null;
        await using var closing = file.ConfigureAwait(false);
        using var reader = new StreamReader(file);
        return await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
    }

    [GeneratedRegex(@"^(?<id>\d+)=(?<json>\{.*""db-system-id"".*\})\r?$", RegexOptions.Multiline)]
    private static partial Regex BackRestCluster();

    // Labels of backup/common.c: a full one, and behind it the time of a differential or incremental one.
    [GeneratedRegex(@"^(?<id>\d{8}-\d{6}F(_\d{8}-\d{6}[DI])?)=(?<json>\{.*\})\r?$", RegexOptions.Multiline)]
    private static partial Regex BackRestBackup();
}
