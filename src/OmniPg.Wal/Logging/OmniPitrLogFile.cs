using Microsoft.Extensions.Logging;
using OmniPg.Shared;

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
/// Never throws into its user: lines that the file does not take go to standard error, after one that says why, and when that is closed or full
/// too they are dropped. The file is tried again with every message.
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
    private bool _isLost;

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

    /// <summary>Closes the file; does not throw. Messages after this open it again.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            try
            {
                Close();
            }
            catch (IOException)
            {
                // What was flushed is there, and what was not was reported.
            }
        }
    }

    internal void Write(LogLevel level, string text)
    {
        var now = _time.GetLocalNow();
        var bytes = OmniPitrLogLine.Encode(now, _options.ProgramName, level, text);
        lock (_gate)
        {
            try
            {
                WriteToLog(now, bytes);
                _isLost = false;
            }
            catch (Exception refused)
            {
                // Whatever it is, the caller's work is worth more than the report of it.
                WriteToStandardError(now, refused, bytes);
            }
        }
    }

    private void WriteToLog(DateTimeOffset now, byte[] bytes)
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

    private void WriteToStandardError(DateTimeOffset now, Exception refused, byte[] bytes)
    {
        try
        {
            Close();
            if (!StandardDescriptors.IsGiven(StandardDescriptors.Error))
                return;
#pragma warning disable RS0030 // A log that cannot be written has nobody else to tell.
            using var error = Console.OpenStandardError();
#pragma warning restore RS0030
            if (!_isLost)
                error.Write(OmniPitrLogLine.Encode(now, _options.ProgramName, LogLevel.Error, $"The log '{_options.PathTemplate}' cannot be written, so its lines follow here: {refused.Message}"));
            _isLost = true;
            error.Write(bytes);
        }
        catch (Exception)
        {
            // Nobody is left who could be told.
        }
    }

    private void Close()
    {
        // Set first: closing fails where writing did.
        var file = _file;
        (_file, _path, _second) = (null, null, long.MinValue);
        file?.Dispose();
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
