using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>
/// The <c>backup_manifest</c> that <c>pg_verifybackup</c> reads: each file with size and CRC-32C, the WAL needed, and the SHA-256 of all before it. Written
/// as the server does (<c>src/backend/backup/backup_manifest.c</c>); version 2, since PostgreSQL 17, names the cluster.
/// </summary>
internal sealed class BackupManifest
{
    public const string FileName = "backup_manifest";

    private const int FirstWithSystemIdentifier = 17;
    private const int ReadBytes = 1 << 18;
    private const string FilesName = "Files";
    private const string PathName = "Path";
    private const string PathBegin = "{ \"Path\": ";
    private const string ChecksumBegin = "\"Manifest-Checksum\": \"";
    private readonly List<(string Path, long Bytes, DateTimeOffset Modified, uint Crc)> _files = [];

    public int Files => _files.Count;

    /// <summary>Adds a file.</summary>
    /// <param name="path">Path below the data directory.</param>
    /// <param name="bytes">Its size.</param>
    /// <param name="modified">Modification time.</param>
    /// <param name="crc">CRC-32C of its content.</param>
    public void Add(string path, long bytes, DateTimeOffset modified, uint crc) => _files.Add((path, bytes, modified, crc));

    public byte[] Write(int pgVersion, ulong systemIdentifier, uint timeline, NpgsqlLogSequenceNumber start, NpgsqlLogSequenceNumber stop)
    {
        var text = new StringBuilder();
        text.Append("{ \"PostgreSQL-Backup-Manifest-Version\": ").Append(pgVersion >= FirstWithSystemIdentifier ? 2 : 1).Append(",\n");
        if (pgVersion >= FirstWithSystemIdentifier)
            text.Append(CultureInfo.InvariantCulture, $"\"System-Identifier\": {systemIdentifier},\n");
        text.Append("\"Files\": [");
        for (var i = 0; i < _files.Count; i++)
            text.Append(i == 0 ? "\n" : ",\n").Append(Line(_files[i]));
        text.Append("\n],\n\"WAL-Ranges\": [\n");
        text.Append(CultureInfo.InvariantCulture, $"{{ \"Timeline\": {timeline}, \"Start-LSN\": \"{start}\", \"End-LSN\": \"{stop}\" }}\n],\n");
        return Seal(text.ToString());
    }

    /// <summary>The same manifest without some files.</summary>
    /// <exception cref="InvalidDataException">It is no manifest.</exception>
    public static byte[] Without(ReadOnlySpan<byte> manifest, params string[] paths)
    {
        var lines = BodyOf(manifest).Split('\n');
        var begins = Array.ConvertAll(paths, static path => $"{PathBegin}{Quote(path)},");
        var kept = Array.FindAll(lines, line => !Array.Exists(begins, begin => line.StartsWith(begin, StringComparison.Ordinal)));
        // The last file has no comma behind it.
        var list = string.Join('\n', kept).Replace("},\n],\n\"WAL-Ranges\"", "}\n],\n\"WAL-Ranges\"", StringComparison.Ordinal);
        return Seal(list);
    }

    /// <summary>The paths of the files.</summary>
    /// <exception cref="InvalidDataException">It is no manifest.</exception>
    public static HashSet<string> PathsOf(ReadOnlyMemory<byte> manifest) =>
        Read(manifest, static root => root.GetProperty(FilesName).EnumerateArray().Select(static f => f.GetProperty(PathName).GetString()!).ToHashSet(StringComparer.Ordinal));

    /// <summary>How many files it names, and where the WAL ends without which they are nothing.</summary>
    /// <exception cref="InvalidDataException">It is no manifest.</exception>
    public static (int Files, NpgsqlLogSequenceNumber Stop) EndOf(ReadOnlyMemory<byte> manifest) => Read(manifest, static root =>
    {
        var ranges = root.GetProperty("WAL-Ranges");
        // One for each timeline (AddWALInfoToBackupManifest).
        if (ranges.GetArrayLength() != 1)
            throw new JsonException("the server changed its timeline during the backup.");
        var end = ranges[0].GetProperty("End-LSN").GetString();
        return NpgsqlLogSequenceNumber.TryParse(end ?? "", out var stop) ? (root.GetProperty(FilesName).GetArrayLength(), stop) : throw new JsonException($"'{end}' is no WAL position.");
    });

    private static T Read<T>(ReadOnlyMemory<byte> manifest, Func<JsonElement, T> read)
    {
        try
        {
            using var json = JsonDocument.Parse(manifest);
            return read(json.RootElement);
        }
        catch (Exception unreadable) when (unreadable is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"'{FileName}' cannot be read: {unreadable.Message}", unreadable);
        }
    }

    /// <summary>The manifest of a restored cluster: files that were put together, or changed, are told as they are now.</summary>
    /// <param name="manifest">The manifest of the backup.</param>
    /// <param name="restored">The path and the file that a path in it has become; null for a file that is what it was.</param>
    /// <exception cref="InvalidDataException">It is no manifest.</exception>
    public static byte[] Restored(ReadOnlySpan<byte> manifest, Func<string, (string Path, string File)?> restored)
    {
        var lines = BodyOf(manifest).Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (!lines[i].StartsWith(PathBegin, StringComparison.Ordinal))
                continue;
            using var entry = JsonDocument.Parse(lines[i].TrimEnd(','));
            if (restored(entry.RootElement.GetProperty(PathName).GetString()!) is not { } now)
                continue;
            var (bytes, crc) = Sum(now.File);
            lines[i] = Line((now.Path, bytes, File.GetLastWriteTimeUtc(now.File), crc)) + (lines[i].EndsWith(',') ? "," : "");
        }

        return Seal(string.Join('\n', lines));
    }

    private static string BodyOf(ReadOnlySpan<byte> manifest)
    {
        var text = Encoding.UTF8.GetString(manifest);
        return text.IndexOf(ChecksumBegin, StringComparison.Ordinal) is >= 0 and var end ? text[..end] : throw new InvalidDataException($"'{FileName}' has no checksum.");
    }

    private static (long Bytes, uint Crc) Sum(string file)
    {
        using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        var (buffer, bytes, crc) = (new byte[ReadBytes], 0L, Crc32C.Start);
        for (int count; (count = content.Read(buffer)) > 0; bytes += count)
            crc = Crc32C.Append(crc, buffer.AsSpan(0, count));
        return (bytes, Crc32C.Finish(crc));
    }

    private static string Line((string Path, long Bytes, DateTimeOffset Modified, uint Crc) file)
    {
        Span<byte> crc = stackalloc byte[sizeof(uint)];
        // pg_checksum_final copies the number as it lies in memory.
        BinaryPrimitives.WriteUInt32LittleEndian(crc, file.Crc);
        return string.Create(CultureInfo.InvariantCulture,
            $"{{ \"Path\": {Quote(file.Path)}, \"Size\": {file.Bytes}, \"Last-Modified\": \"{file.Modified.UtcDateTime:yyyy-MM-dd HH:mm:ss} GMT\", \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"{Convert.ToHexStringLower(crc)}\" }}");
    }

    private static string Quote(string path) => $"\"{JsonEncodedText.Encode(path, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    private static byte[] Seal(string text)
    {
        var bytes = new ArrayBufferWriter<byte>();
        Encoding.UTF8.GetBytes(text, bytes);
        var sum = Convert.ToHexStringLower(SHA256.HashData(bytes.WrittenSpan));
        Encoding.UTF8.GetBytes($"{ChecksumBegin}{sum}\"}}\n", bytes);
        return bytes.WrittenSpan.ToArray();
    }
}
