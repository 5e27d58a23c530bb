using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace OmniPg.Jobmon;

/// <summary>The spool file of this process: created with the first event that has to wait, locked while the process lives, removed when nothing waits.</summary>
internal sealed class SpoolFile(string folder, SpoolHeader header, SpoolEncoder encoder, TimeProvider time, ILogger logger) : IDisposable
{
    public const string Pattern = "omnipg-jobmon-*.jsonl";

    private readonly Lock _gate = new();
    private readonly ErrorThrottle _throttle = new(time);
    private readonly ArrayBufferWriter<byte> _line = new();
    private FileStream? _file;
    private volatile bool _unsynced;

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetFullPath(folder), $"omnipg-jobmon-{header.Session:N}.jsonl");

    /// <summary>Writes those of the events that it does not hold yet. Never throws, as all of this: the log must not break the work.</summary>
    public void Keep(IEnumerable<LogEvent> waiting)
    {
        lock (_gate)
        {
            foreach (var e in waiting)
            {
                if (e.Spooled)
                    continue;
                if (!Guarded(() => Append(e)))
                    return;
                // Only now: an event that did not get in is tried again with the next one that waits.
                e.Spooled = true;
            }
        }
    }

    /// <summary>Makes what was written survive a crash of the machine, too.</summary>
    public void Sync()
    {
        FileStream? file;
        lock (_gate)
        {
            if (!_unsynced)
                return;
            _unsynced = false;
            file = _file;
        }

        // Not under the lock: a slow disk must not hold up whoever logs meanwhile.
        if (file is not null && !Guarded(() => DurableFile.FlushToDisk(file.SafeFileHandle)))
            _unsynced = true;
    }

    /// <summary>Forgets everything, unless an event came to wait meanwhile: that is asked while no event can be written to the spool.</summary>
    public void Clear(Func<bool> nothingWaits)
    {
        lock (_gate)
        {
            if (_file is { Length: > 0 } file && nothingWaits())
                // Emptied, not removed: the next event that has to wait finds it open and locked.
                Guarded(() => file.SetLength(0));
        }
    }

    /// <summary>Gives the file up: removed if it is empty, else left for the next client.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_file is not { } file)
                return;
            _file = null;
            Guarded(() =>
            {
                var empty = file.Length == 0;
                if (!empty)
                    // Before the lock is given up: from then on another process may write and remove it.
                    DurableFile.FlushToDisk(file.SafeFileHandle);
                file.Dispose();
                if (empty)
                    File.Delete(Path);
            });
        }
    }

    /// <summary>Opens a spool file for this process alone; null when its writer lives or another one took it.</summary>
    public static FileStream? TryTake(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private void Append(LogEvent e)
    {
        _file ??= Create();
        var sound = _file.Length;
        try
        {
            if (sound == 0)
                Write(header, SpoolJson.Default.SpoolHeader);
            Write(encoder.Encode(e), SpoolJson.Default.SpoolRecord);
            _unsynced = true;
        }
        catch (IOException)
        {
            // The next line must not be glued to half of this one.
            _file.SetLength(sound);
            throw;
        }
    }

    private void Write<T>(T value, JsonTypeInfo<T> type)
    {
        _line.ResetWrittenCount();
        using (var json = new Utf8JsonWriter(_line))
            JsonSerializer.Serialize(json, value, type);
        _line.Write("\n"u8);
        _file!.Seek(0, SeekOrigin.End);
        _file.Write(_line.WrittenSpan);
    }

    private FileStream Create()
    {
        // Not shared, which is a lock (flock on Unix): by it others see that the writer lives. Not buffered: what is written outlives a kill.
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var directory = System.IO.Path.GetDirectoryName(Path)!;
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(directory);
        else
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var file = new FileStream(Path, options);
        // The name has to survive a crash of the machine, too.
        DurableFile.FlushDirectory(directory);
        return file;
    }

    private bool Guarded(Action work)
    {
        try
        {
            work();
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ObjectDisposedException)
        {
            if (_throttle.MayLog(error.GetType().Name))
                JobmonLog.SpoolFailed(logger, Path, error.Message, error);
            return false;
        }
    }
}

/// <summary>Reads a spool file line by line. What cannot be read is counted, except half a line at the end: its writer was killed in the middle.</summary>
internal sealed class SpoolReader : IDisposable
{
    private readonly StreamReader _lines;
    // Looked at before the first line is read: afterwards the reader has buffered past it.
    private readonly bool _endsInLine;

    public SpoolReader(FileStream file)
    {
        _endsInLine = EndsInLine(file);
        _lines = new StreamReader(file, leaveOpen: true);
        Header = Parse(_lines.ReadLine(), line => JsonSerializer.Deserialize(line, SpoolJson.Default.SpoolHeader));
    }

    /// <summary>Null when there is none, or it cannot be read.</summary>
    public SpoolHeader? Header { get; }

    /// <summary>Lines that could not be read so far.</summary>
    public int Unreadable { get; private set; }

    /// <summary>The events in the order in which they happened, decoded one by one.</summary>
    public IEnumerable<LogEvent> Events(SpoolDecoder decoder)
    {
        while (_lines.ReadLine() is { } line)
        {
            if (line.Length == 0)
                continue;
            if (Parse(line, text => JsonSerializer.Deserialize(text, SpoolJson.Default.SpoolRecord) is { } record ? decoder.Decode(record) : null) is { } e)
                yield return e;
            else if (!_endsInLine || _lines.Peek() >= 0)
                Unreadable++;
        }
    }

    public void Dispose() => _lines.Dispose();

    private static T? Parse<T>(string? line, Func<string, T?> read)
        where T : class
    {
        try
        {
            return line is null ? null : read(line);
        }
        catch (Exception error) when (error is JsonException or FormatException)
        {
            return null;
        }
    }

    private static bool EndsInLine(FileStream file)
    {
        if (file.Length == 0)
            return false;
        file.Seek(-1, SeekOrigin.End);
        var endsInLine = file.ReadByte() != '\n';
        file.Seek(0, SeekOrigin.Begin);
        return endsInLine;
    }
}
