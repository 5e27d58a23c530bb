using System.Text;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli.Running;

/// <summary>What a verb may touch of the world: its streams, its logs, the clock. Opened late, because most runs print nothing.</summary>
internal sealed class ProgramContext : IDisposable
{
    private readonly Lazy<TextWriter> _output;
    private readonly Lazy<TextWriter> _error;

    public ProgramContext(TimeProvider? time = null)
    {
        _output = Writer(Console.OpenStandardOutput);
        _error = Writer(Console.OpenStandardError);
        Time = time ?? TimeProvider.System;
        Logs = new ProgramLoggerFactory(new StderrLoggerProvider(() => Error, verbose: false));
    }

    /// <summary>Results only.</summary>
    public TextWriter Output => _output.Value;

    /// <summary>Messages; lands in PostgreSQL's log.</summary>
    public TextWriter Error => _error.Value;

    public TimeProvider Time { get; }

    /// <summary>Where library and program log to: standard error, or the file that <c>--log</c> names.</summary>
    public ILoggerFactory Logs { get; private set; }

    public void LogTo(ILoggerProvider provider)
    {
        Logs.Dispose();
        Logs = new ProgramLoggerFactory(provider);
    }

    public void Dispose()
    {
        Logs.Dispose();
        if (_output.IsValueCreated)
            _output.Value.Flush();
        if (_error.IsValueCreated)
            _error.Value.Flush();
    }

    private static Lazy<TextWriter> Writer(Func<Stream> open) => new(() => new StreamWriter(open(), new UTF8Encoding(false), 4096));
}
