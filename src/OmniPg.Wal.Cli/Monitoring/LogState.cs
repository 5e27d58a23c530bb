using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>What the logs of OmniPITR's tools, and ours in its format, have told so far: a file in <c>--state-dir</c>, so that each line is read once.</summary>
internal sealed class LogState
{
    private const string FileName = "omnipg-monitor.json";
    private const int CurrentFormat = 1;
    private static readonly TimeSpan ErrorsKept = TimeSpan.FromDays(3);
    private static readonly TimeSpan SegmentsKept = TimeSpan.FromDays(7);

    public int Format { get; set; } = CurrentFormat;

    /// <summary>How far each log file was read.</summary>
    public Dictionary<string, Position> Files { get; set; } = [];

    /// <summary>By segment.</summary>
    public Dictionary<string, Span> Archived { get; set; } = [];

    /// <summary>By segment.</summary>
    public Dictionary<string, Span> Restored { get; set; } = [];

    public List<Backup> Backups { get; set; } = [];

    public List<Error> Errors { get; set; } = [];

    /// <summary>Number of the last error that was read, and of the last that was shown.</summary>
    public long ErrorsRead { get; set; }

    public long ErrorsShown { get; set; }

    /// <summary>Takes the state for this process.</summary>
    /// <exception cref="WalLockedException">Another monitor has it.</exception>
    /// <exception cref="WalConfigurationException">The directory is not there, or may not be written.</exception>
    public static IDisposable Hold(string directory)
    {
        var path = Path.Combine(directory, FileName + ".lock");
        try
        {
            return FileLock.TryAcquireForProcess(path) ?? throw new WalLockedException(path, FileLock.ReadProcess(path));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new WalConfigurationException($"The state directory '{directory}' cannot be used: {refused.Message}", "Make it, and give it to this account.", refused);
        }
    }

    /// <summary>Reads it. One that is damaged is thrown away: the logs are read again from their beginning.</summary>
    public static LogState Load(string directory, ILogger log)
    {
        var path = Path.Combine(directory, FileName);
        if (!File.Exists(path))
            return new LogState();
        try
        {
            var state = JsonSerializer.Deserialize(File.ReadAllBytes(path), LogStateJson.Default.LogState);
            return state is { Format: CurrentFormat } ? state : throw new JsonException($"format '{state?.Format}'");
        }
        catch (JsonException damage)
        {
            ProgramLog.StateLost(log, path, damage.Message);
            return new LogState();
        }
    }

    public Task SaveAsync(string directory, CancellationToken cancellationToken) =>
        DurableFile.WriteAllBytesAsync(Path.Combine(directory, FileName), JsonSerializer.SerializeToUtf8Bytes(this, LogStateJson.Default.LogState), cancellationToken);

    public string ToJson() => JsonSerializer.Serialize(this, LogStateJson.Default.LogState);

    /// <summary>Forgets what no check asks for any more; what has begun and not ended stays.</summary>
    public void Forget(DateTimeOffset now)
    {
        Errors.RemoveAll(e => e.At < now - ErrorsKept);
        foreach (var spans in (Dictionary<string, Span>[])[Archived, Restored])
        {
            // The newest end is the answer however old it is.
            var newest = spans.Values.Max(s => s.Ended);
            foreach (var name in spans.Where(s => s.Value.Ended < now - SegmentsKept && s.Value.Ended != newest).Select(s => s.Key).ToList())
                spans.Remove(name);
        }

        var last = Backups.Max(b => b.Ended);
        Backups.RemoveAll(b => b.Began < now - SegmentsKept && (b.Ended is null || b.Ended != last));
    }

    /// <param name="First">The beginning of its first line: another file of the same name is read from its start.</param>
    /// <param name="Offset">Bytes that were read: whole lines.</param>
    internal sealed record Position(string First, long Offset);

    /// <param name="Began">Null where the log is not verbose.</param>
    /// <param name="Ended">Null while it is under way.</param>
    internal sealed record Span(DateTimeOffset? Began, DateTimeOffset? Ended)
    {
        /// <summary>The process that restores it; null for one that archives.</summary>
        public string? Pid { get; init; }
    }

    internal sealed record Backup([property: JsonPropertyName("program")] string ProgramName, string Pid, DateTimeOffset Began, DateTimeOffset? Ended);

    /// <summary>A line as the original prints it: <c>TIMESTAMP : PID : LEVEL : text</c>.</summary>
    internal sealed record Error(long Number, DateTimeOffset At, string Line);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(LogState))]
internal sealed partial class LogStateJson : JsonSerializerContext;
