using System.Text;
using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>What a verb may touch of the world: its streams, its logs, the clock. Opened late, because most runs print nothing.</summary>
internal sealed class ProgramContext : IDisposable
{
    private bool _isReportLost;

    public ProgramContext(TimeProvider? time = null)
    {
        Time = time ?? TimeProvider.System;
        Logs = new ProgramLoggerFactory(new StderrLoggerProvider(Error, verbose: false));
    }

    /// <summary>Results only. Throws <see cref="OutputLostException"/> where they cannot be written.</summary>
    public TextWriter Output { get; } = Writer(GuardedStream.Results());

    /// <summary>Messages; lands in PostgreSQL's log. Never throws.</summary>
    public TextWriter Error { get; } = Writer(GuardedStream.Messages());

    public TimeProvider Time { get; }

    /// <summary>Where library and program log to: standard error, or the file that <c>--log</c> names.</summary>
    public ILoggerFactory Logs { get; private set; }

    /// <summary>Tells on standard output what was done. The work is behind it: a stream that takes nothing costs a message, and not the exit code.</summary>
    public void Report(string line)
    {
        if (_isReportLost)
            return;
        try
        {
            Output.WriteLine(line);
            Output.Flush();
        }
        catch (OutputLostException lost)
        {
            _isReportLost = true;
            StderrLoggerProvider.Write(Error, lost.Message);
        }
    }

    public void LogTo(ILoggerProvider provider)
    {
        Logs.Dispose();
        Logs = new ProgramLoggerFactory(provider);
    }

    public void Dispose()
    {
        Logs.Dispose();
        Error.Flush();
    }

    // The size of a line: a smaller buffer would cost a system call per piece of it.
    private static StreamWriter Writer(GuardedStream stream) => new(stream, new UTF8Encoding(false), 4096);

    /// <summary>A logger factory with one provider: all that a program without dependency injection needs.</summary>
    private sealed class ProgramLoggerFactory(ILoggerProvider provider) : ILoggerFactory
    {
        public void AddProvider(ILoggerProvider added) => throw new NotSupportedException("The program logs to one place.");

        public ILogger CreateLogger(string categoryName) => provider.CreateLogger(categoryName);

        public void Dispose() => provider.Dispose();
    }
}
