using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli.Running;

/// <summary>Short lines for PostgreSQL's log: warnings and worse, everything when verbose.</summary>
internal sealed class StderrLoggerProvider(Func<TextWriter> error, bool verbose) : ILoggerProvider, ILogger
{
    private readonly Lock _gate = new();

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && (verbose || logLevel >= LogLevel.Warning);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        var text = formatter(state, exception);
        if (exception is not null && !text.Contains(exception.Message, StringComparison.Ordinal))
            text = $"{text} {exception.Message}";
        lock (_gate)
        {
            error().WriteLine($"omnipg-wal: {Word(logLevel)}: {OneLine.Of(text)}");
            error().Flush();
        }
    }

    public void Dispose()
    {
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical => "FATAL",
        LogLevel.Error => "ERROR",
        LogLevel.Warning => "WARNING",
        LogLevel.Information => "LOG",
        _ => "DEBUG",
    };
}
