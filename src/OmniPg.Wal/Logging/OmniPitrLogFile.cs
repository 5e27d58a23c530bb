using Microsoft.Extensions.Logging;
using OmniPg.Wal.Internal;

namespace OmniPg.Wal;

/// <summary>
/// Writes log files in the format of OmniPITR, so that <c>omnipitr-monitor</c> and other readers of those logs keep working:
/// <c>YYYY-MM-DD HH:MM:SS.ffffff ±ZZZZ : PID : PROGRAM : LEVEL : text</c>.
/// </summary>
/// <remarks>
/// Every message is flushed to disk before the call returns; a text of several lines gets the prefix on each of them; control characters
/// are written as <c>\xNN</c>, so a file name cannot forge a line. Information becomes LOG, Warning and Error become ERROR, Critical
/// becomes FATAL; Debug and Trace become LOG and are written only when <see cref="OmniPitrLogOptions.Verbose"/> is set.
/// The file name is computed at most once per second and the directory is made when missing. Thread-safe.
/// </remarks>
public sealed class OmniPitrLogFile : ILoggerProvider
{
    private readonly Lock _gate = new();
    private readonly OmniPitrLogOptions _options;
    private readonly StrftimeTemplate _template;
    private readonly TimeProvider _time;
    private FileStream? _file;
    private string? _path;
    private long _second = long.MinValue;

    /// <summary>Checks the template; the file is opened by the first message.</summary>
    /// <param name="options">Path, program name and verbosity; read once.</param>
    /// <param name="timeProvider">Clock and local time zone of the lines; the system's when null.</param>
    /// <exception cref="WalConfigurationException">The template is empty or holds an unsupported marker.</exception>
    public OmniPitrLogFile(OmniPitrLogOptions options, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _template = options.Validate();
        _time = timeProvider ?? TimeProvider.System;
    }

    /// <summary>A logger for this file; the category is not part of the format and does not matter.</summary>
    public ILogger CreateLogger(string categoryName) => new OmniPitrLogger(this, _options.Verbose);

    /// <summary>Closes the file. Messages after this open it again.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
            (_file, _path, _second) = (null, null, long.MinValue);
        }
    }

    internal void Write(LogLevel level, string text)
    {
        var now = _time.GetLocalNow();
        var bytes = OmniPitrLogLine.Encode(now, _options.ProgramName, level, text);
        lock (_gate)
        {
            if (_options.PathTemplate == "-")
            {
                _options.StandardOutput!.Write(bytes);
                _options.StandardOutput.Flush();
                return;
            }

            Open(now);
            _file!.Write(bytes);
            _file.Flush(flushToDisk: true);
        }
    }

    private void Open(DateTimeOffset now)
    {
        var second = now.ToUnixTimeSeconds();
        if (second == _second && _file is not null)
            return;
        _second = second;
        var path = _template.Format(now, _time.LocalTimeZone);
        if (path == _path && _file is not null)
            return;
        _file?.Dispose();
        if (Path.GetDirectoryName(path) is { Length: > 0 } directory)
            Directory.CreateDirectory(directory);
        _file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        _path = path;
    }
}
