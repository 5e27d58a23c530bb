using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>
/// Writes log files in the format of OmniPITR, so that <c>omnipitr-monitor</c> and other readers of those logs keep working:
/// <c>YYYY-MM-DD HH:MM:SS.ffffff ±ZZZZ : PID : PROGRAM : LEVEL : text</c>.
/// </summary>
/// <remarks>
/// Every message is flushed to disk before the call returns; a text of several lines gets the prefix on each of them; control characters
/// are written as <c>\xNN</c>, so a file name cannot forge a line. Information becomes LOG, Warning and Error become ERROR, Critical
/// becomes FATAL; Debug and Trace become LOG and are written only when <see cref="Options.Verbose"/> is set.
/// The file name is computed at most once per second and the directory is made when missing. Thread-safe.
/// Never throws into its user: lines that the file does not take go to standard error, after one that says why, and when that is closed or full
/// too they are dropped. The file is tried again with every message.
/// </remarks>
internal sealed class OmniPitrLogFile : ILoggerProvider
{
    private readonly Lock _gate = new();
    private readonly Options _options;
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
    public OmniPitrLogFile(Options options, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _template = options.Validate();
        _time = timeProvider ?? TimeProvider.System;
    }

    /// <summary>A logger for this file; the category is not part of the format and does not matter.</summary>
    public ILogger CreateLogger(string categoryName) => new Logger(this, _options.Verbose);

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

    private void Write(LogLevel level, string text)
    {
        var now = _time.GetLocalNow();
        var bytes = Line.Encode(now, _options.ProgramName, level, text);
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
        _file.Flush();
        DurableFile.FlushToDisk(_file.SafeFileHandle);
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
                error.Write(Line.Encode(now, _options.ProgramName, LogLevel.Error, $"The log '{_options.PathTemplate}' cannot be written, so its lines follow here: {refused.Message}"));
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

    /// <summary>One category of an <see cref="OmniPitrLogFile"/>; the format has no place for categories or scopes.</summary>
    private sealed class Logger(OmniPitrLogFile file, bool verbose) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && (verbose || logLevel >= LogLevel.Information);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            ArgumentNullException.ThrowIfNull(formatter);
            if (!IsEnabled(logLevel))
                return;
            var text = formatter(state, exception);
            file.Write(logLevel, exception is null || text.Contains(exception.Message, StringComparison.Ordinal) ? text : $"{text}\n{exception.Message}");
        }
    }

    /// <summary>The line format of OmniPITR's <c>Log.pm</c>.</summary>
    private static class Line
    {
        /// <summary>The message as UTF-8 lines, each with the whole prefix and without trailing blanks.</summary>
        public static byte[] Encode(DateTimeOffset time, string program, LogLevel level, string text)
        {
            var prefix = string.Create(
                CultureInfo.InvariantCulture,
                $"{time:yyyy-MM-dd HH:mm:ss.ffffff} {StrftimeTemplate.Offset(time.Offset)} : {Environment.ProcessId} : {program} : {Word(level)} : ");
            var lines = new StringBuilder(prefix.Length + text.Length + 1);
            foreach (var line in text.TrimEnd().Split('\n'))
            {
                lines.Append(prefix);
                AppendEscaped(lines, line.AsSpan().TrimEnd());
                lines.Append('\n');
            }

            return Encoding.UTF8.GetBytes(lines.ToString());
        }

        private static string Word(LogLevel level) => level switch
        {
            LogLevel.Critical => "FATAL",
            LogLevel.Error or LogLevel.Warning => "ERROR",
            _ => "LOG",
        };

        private static void AppendEscaped(StringBuilder target, ReadOnlySpan<char> text)
        {
            foreach (var c in text)
            {
                if (char.IsControl(c) && c != '\t')
                    target.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:X2}");
                else
                    target.Append(c);
            }
        }
    }

    /// <summary>Where <see cref="OmniPitrLogFile"/> writes and under which name. The original's <c>--log</c> and <c>--verbose</c>.</summary>
    internal sealed class Options
    {
        /// <summary>
        /// Path of the log file; markers of strftime are written with <c>^</c> (<c>/var/log/omnipitr-^Y-^m-^d.log</c>), in local time.
        /// <c>-</c> writes to <see cref="StandardOutput"/>. Required.
        /// </summary>
        /// <value>Supported: <c>^Y ^m ^d ^H ^M ^S ^y ^j ^U ^Z ^z ^s ^F ^T ^^</c>.</value>
        public required string PathTemplate { get; set; }

        /// <summary>Name in the third field of every line. omnipitr-monitor knows <c>omnipitr-archive</c>, <c>omnipitr-restore</c> and so on.</summary>
        /// <value>Default <c>omnipitr-archive</c>.</value>
        public string ProgramName { get; set; } = "omnipitr-archive";

        /// <summary>Whether messages of the levels Debug and Trace are written too.</summary>
        /// <value>Default false.</value>
        public bool Verbose { get; set; }

        /// <summary>Receives the lines when <see cref="PathTemplate"/> is <c>-</c>; ignored otherwise. Not disposed.</summary>
        /// <value>Default null.</value>
        public Stream? StandardOutput { get; set; }

        internal StrftimeTemplate Validate()
        {
            if (string.IsNullOrEmpty(PathTemplate))
                throw new WalConfigurationException("The path template of the log is empty.");
            if (PathTemplate == "-" && StandardOutput is null)
                throw new WalConfigurationException("The log path '-' needs a stream for the standard output.");
            try
            {
                return new StrftimeTemplate(PathTemplate);
            }
            catch (FormatException e)
            {
                throw new WalConfigurationException($"The log path is wrong: {e.Message}.", innerException: e);
            }
        }
    }
}
