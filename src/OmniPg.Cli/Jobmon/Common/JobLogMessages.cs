using Microsoft.Extensions.Logging;

namespace OmniPg.Cli;

/// <summary>What the job log itself has to say, for standard error: warnings and errors, each as one line.</summary>
internal sealed class JobLogMessages(TextWriter error) : ILoggerFactory, ILogger
{
    // The client's background threads speak, too.
    private readonly Lock _gate = new();

    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and not LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        lock (_gate)
            error.WriteLine("omnipg: " + CellText.Clean(formatter(state, exception)));
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }
}
