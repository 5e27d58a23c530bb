using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What a store knows of one finished base backup: the object <c>ID/backup.json</c>, written last, without which nothing of it counts.</summary>
public sealed partial record BackupInfo
{
    /// <summary>The <see cref="Format"/> of a full backup.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The <see cref="Format"/> of an incremental one: who does not know them must neither restore it alone nor remove what it stands on.</summary>
    public const int IncrementalFormat = 2;

    internal const string FileName = "backup.json";

    internal const string MetaName = "meta";

    private const string IdFormat = "yyyyMMdd'T'HHmmss'Z'";

    /// <summary>Version of the object's own format: <see cref="CurrentFormat"/> (the default) or <see cref="IncrementalFormat"/>.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>Name of the backup, from the server's time at its start (UTC): <c>20260501T120000Z</c>. All its objects lie below it.</summary>
    public required string Id { get; init; }

    /// <summary>The label given by the user.</summary>
    public required string Label { get; init; }

    /// <summary>When it began, by the server's clock (UTC).</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>When its last data had been read, by the server's clock (UTC): the earliest moment that it can be restored to.</summary>
    public required DateTimeOffset Stopped { get; init; }

    /// <summary>Where its replay starts.</summary>
    [JsonConverter(typeof(LsnText))]
    public required NpgsqlLogSequenceNumber StartLsn { get; init; }

    /// <summary>Where it becomes consistent: the earliest position that it can be restored to.</summary>
    [JsonConverter(typeof(LsnText))]
    public required NpgsqlLogSequenceNumber StopLsn { get; init; }

    /// <summary>Timeline on which it was made.</summary>
    public required uint Timeline { get; init; }

    /// <summary>First WAL segment that it needs.</summary>
    [JsonConverter(typeof(FileNameText))]
    public required WalFileName WalFrom { get; init; }

    /// <summary>Last WAL segment that it needs to become consistent.</summary>
    [JsonConverter(typeof(FileNameText))]
    public required WalFileName WalTo { get; init; }

    /// <summary>Whether the segments from <see cref="WalFrom"/> to <see cref="WalTo"/> are part of the backup; otherwise an archive held them when it was made.</summary>
    public bool IncludesWal { get; init; }

    /// <summary>System identifier of the cluster.</summary>
    [JsonNumberHandling(JsonNumberHandling.WriteAsString | JsonNumberHandling.AllowReadingFromString)]
    public required ulong SystemIdentifier { get; init; }

    /// <summary>Major version of the server, such as 15.</summary>
    public required int PgVersion { get; init; }

    /// <summary>Size of the cluster's WAL segments in bytes.</summary>
    public required int WalSegmentSize { get; init; }

    /// <summary>Whether it was read from a standby.</summary>
    public bool FromStandby { get; init; }

    /// <summary>The cluster's tablespaces besides its own two, with the folders that they had.</summary>
    public IReadOnlyList<BackupTablespace> Tablespaces { get; init; } = [];

    /// <summary>The objects of the backup, tablespaces first, <c>base.tar</c> last.</summary>
    public required IReadOnlyList<BackupPart> Parts { get; init; }

    /// <summary>Id of the backup of which it holds the changes only, and without which it is nothing; null for a full backup.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? IncrementOf { get; init; }

    /// <summary>The object with its <c>backup_manifest</c>, which the next incremental backup reads; null before PostgreSQL 17, and for a backup of an older version of this package.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BackupPart? Manifest { get; init; }

    /// <summary>The files with digests of its other objects (<see cref="BaseBackupOptions.Digests"/>); null when none were asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<BackupPart>? Digests { get; init; }

    /// <summary>The object with the lines of OmniPITR's meta file (<see cref="BaseBackupOptions.MetaFile"/>); null when it was not asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BackupPart? Meta { get; init; }

    /// <summary>How many pages of the server did not have the checksum that they should (<see cref="BaseBackupResult.DamagedPages"/>); null when none was found, or none was looked at.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? DamagedPages { get; init; }

    /// <summary>The sum of that over it and all that it stands on: a page that an incremental backup holds whole may still be counted in the one before.</summary>
    [JsonIgnore]
    public long ChainDamagedPages { get; init; }

    /// <summary>Whether it is to be kept whatever retention says; an object of its own, <c>ID/keep</c>.</summary>
    [JsonIgnore]
    public bool IsKept { get; init; }

    /// <summary>What is missing of it in the store, or of the backups that it stands on, told by the listing alone; null when every part is there with its size.</summary>
    [JsonIgnore]
    public string? Problem { get; init; }

    /// <summary>Bytes that it takes in the store.</summary>
    [JsonIgnore]
    public long StoredBytes => Parts.Sum(p => p.StoredBytes);

    /// <summary>Bytes before compression.</summary>
    [JsonIgnore]
    public long RawBytes => Parts.Sum(p => p.RawBytes);

    /// <summary>All its objects but its entry and its marks.</summary>
    [JsonIgnore]
    internal IEnumerable<BackupPart> Objects => Parts.Concat(Manifest is null ? [] : [Manifest]).Concat(Digests ?? []).Concat(Meta is null ? [] : [Meta]);

    /// <summary>The id and its times.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => $"{Id} ({StartLsn} to {StopLsn}, timeline {Timeline})";

    /// <summary>Whether a folder has the name of a backup; others are not looked into.</summary>
    internal static bool IsId(string name) => TimeOf(name) is not null;

    /// <summary>The moment that an id tells; null for another name.</summary>
    internal static DateTimeOffset? TimeOf(string id) =>
        DateTimeOffset.TryParseExact(id, IdFormat, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    internal static string IdAt(DateTimeOffset time) => time.UtcDateTime.ToString(IdFormat, CultureInfo.InvariantCulture);

    /// <summary>The original's meta file. Readers of it take the keys that they know.</summary>
    /// <param name="host">Name of the machine.</param>
    /// <param name="offset">What local time was ahead of UTC there when the backup began.</param>
    internal string ToMeta(string host, TimeSpan offset) => string.Create(CultureInfo.InvariantCulture,
        $"Min-Xlog: {WalFrom}\nStarted-epoch: {Started.ToUnixTimeSeconds()}\nTimezone: {(offset < TimeSpan.Zero ? '-' : '+')}{offset:hhmm}\nHostname: {host}\n")
        + string.Create(CultureInfo.InvariantCulture, $"Stop-Xlog: {WalTo}\nSystem-Identifier: {SystemIdentifier}\nPg-Version: {PgVersion}\nFormat: omnipg-1\n");

    internal byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, BackupJson.Default.BackupInfo);

    internal static BackupInfo Parse(ReadOnlySpan<byte> json, string store, string id, string file = FileName)
    {
        try
        {
            var info = JsonSerializer.Deserialize(json, BackupJson.Default.BackupInfo);
            if (info is null || info.Format != (info.IncrementOf is null ? CurrentFormat : IncrementalFormat) || info.Id != id)
                throw WalBackupException.Damaged(store, id, $"its '{file}' has format '{info?.Format}' and is of backup '{info?.Id}'");
            return info.IsSound() ? info : throw WalBackupException.Damaged(store, id, $"its '{file}' names parts that are not its own, or WAL files that are no segments");
        }
        catch (JsonException damage)
        {
            throw WalBackupException.Damaged(store, id, $"its '{file}' cannot be read: {damage.Message}", damage);
        }
    }

    // Removal removes what is named here, and a restore writes it.
    private bool IsSound() => Label is not null && WalFrom.Kind == WalFileKind.Segment && WalTo.Kind == WalFileKind.Segment
        && Tablespaces is not null && Tablespaces.All(t => t is { Location: not null })
        && Parts is { Count: > 0 } && Parts[^1] is { Tablespace: 0 }
        && Objects.All(p => p is { Key: not null, Sha256: not null } && p.Key.StartsWith(Id + "/", StringComparison.Ordinal) && p.Key.LastIndexOf('/') == Id.Length)
        // What a backup stands on is older, so no chain ever leads back to itself.
        && (IncrementOf is null || (IsId(IncrementOf) && string.CompareOrdinal(IncrementOf, Id) < 0))
        && Parts.SkipLast(1).All(p => Tablespaces.Any(t => t.Oid == p.Tablespace));

    internal sealed class LsnText : JsonConverter<NpgsqlLogSequenceNumber>
    {
        public override NpgsqlLogSequenceNumber Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            NpgsqlLogSequenceNumber.TryParse(reader.GetString() ?? "", out var lsn) ? lsn : throw new JsonException("A WAL position is expected.");

        public override void Write(Utf8JsonWriter writer, NpgsqlLogSequenceNumber value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }

    internal sealed class FileNameText : JsonConverter<WalFileName>
    {
        public override WalFileName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            WalFileName.TryParse(reader.GetString(), out var name) ? name : throw new JsonException("The name of a WAL file is expected.");

        public override void Write(Utf8JsonWriter writer, WalFileName value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
    [JsonSerializable(typeof(BackupInfo))]
    private sealed partial class BackupJson : JsonSerializerContext;
}

/// <summary>One object of a base backup: a tar file, or its manifest, compressed.</summary>
/// <param name="Key">Its key in the store, such as <c>20260501T120000Z/base.tar.zst</c>.</param>
/// <param name="Tablespace">Oid of the tablespace that it holds; 0 for the data directory and the manifest.</param>
/// <param name="RawBytes">Size before compression.</param>
/// <param name="StoredBytes">Size in the store.</param>
/// <param name="Sha256">SHA-256 before compression, 64 lower-case hex digits.</param>
public sealed record BackupPart(string Key, uint Tablespace, long RawBytes, long StoredBytes, string Sha256);

/// <summary>A tablespace of the cluster.</summary>
/// <param name="Oid">Its oid.</param>
/// <param name="Location">The folder that it had, as the link in <c>pg_tblspc</c> says.</param>
public sealed record BackupTablespace(uint Oid, string Location);
