using System.Text.Json;
using System.Text.Json.Serialization;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Answers of the resident mode on disk: <c>SPOOL/push/NAME.ok</c> and <c>NAME.error</c>. An <c>archive_command</c> that finds its file there is done
/// without any work.
/// </summary>
/// <param name="directory">The spool directory.</param>
internal sealed partial class WalPushSpool(string directory)
{
    private const string OkSuffix = ".ok";
    private const string ErrorSuffix = ".error";
    private const string NewSuffix = ".new";
    private readonly string _push = Path.Combine(directory, "push");

    /// <summary>Makes the directory; needed before the first answer is written.</summary>
    public void Create() => Directory.CreateDirectory(_push);

    /// <summary>Whether the resident mode has archived exactly this file: same name, inode, size and modification time.</summary>
    /// <param name="path">Full path of the file in <c>pg_wal</c>.</param>
    /// <returns><see langword="false"/> also when the answer is damaged or about an earlier file of that name; archiving again is safe.</returns>
    public bool IsArchived(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return FileStat.TryGet(path, out var stat) && Read(Path.GetFileName(path) + OkSuffix) is { } answer
            && answer.Size == stat.Bytes && answer.Modified == stat.Modified && answer.Inode == stat.Inode;
    }

    /// <summary>The last failure of a file.</summary>
    /// <param name="file">The file.</param>
    /// <returns>Code and message, or <see langword="null"/> when it has none.</returns>
    public (string Code, string Message)? FindError(WalFileName file) =>
        Read(file + ErrorSuffix) is { Code: { } code, Message: { } message } ? (code, message) : null;

    // The file as it was before it was read: one that was replaced since has no answer.
    internal void WriteOk(FileStat stat, WalFileName file, string xxh128)
    {
        Write(file + OkSuffix, new Answer { Xxh128 = xxh128, Size = stat.Bytes, Modified = stat.Modified, Inode = stat.Inode });
        File.Delete(Path.Combine(_push, file + ErrorSuffix));
    }

    internal void WriteError(WalFileName file, OmniPgException error) =>
        Write(file + ErrorSuffix, new Answer { Code = error.Code, Message = error.Message });

    /// <summary>Drops the answers that PostgreSQL will not ask for any more.</summary>
    internal void KeepOnly(IReadOnlySet<string> readyNames)
    {
        foreach (var path in Directory.EnumerateFiles(_push))
            if (!path.EndsWith(NewSuffix, StringComparison.Ordinal) && !readyNames.Contains(Path.GetFileNameWithoutExtension(path)))
                File.Delete(path);
    }

    private Answer? Read(string name)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(_push, name)), AnswerJson.Default.Answer);
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException or JsonException)
        {
            // No answer, or none that can be trusted: the work is done again, which is always safe.
            return null;
        }
    }

    // Renamed into place so that a reader sees all or nothing. Not flushed: an answer lost with the power costs one comparison.
    private void Write(string name, Answer answer)
    {
        var path = Path.Combine(_push, name);
        File.WriteAllBytes(path + NewSuffix, JsonSerializer.SerializeToUtf8Bytes(answer, AnswerJson.Default.Answer));
        File.Move(path + NewSuffix, path, overwrite: true);
    }

    /// <summary>Content of an answer file of the spool.</summary>
    internal sealed record Answer
    {
        public string? Xxh128 { get; init; }

        public long Size { get; init; }

        [JsonPropertyName("mtime")]
        public DateTimeOffset Modified { get; init; }

        public ulong Inode { get; init; }

        public string? Code { get; init; }

        public string? Message { get; init; }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(Answer))]
    private sealed partial class AnswerJson : JsonSerializerContext;
}
