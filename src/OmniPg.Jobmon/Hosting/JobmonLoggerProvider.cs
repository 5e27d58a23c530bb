namespace OmniPg.Jobmon;

/// <summary>
/// Hands what is logged inside a job to its run, whoever keeps that: a client or a log in memory. Knows runs only through the current flow.
/// </summary>
internal sealed class JobmonLoggerProvider(LogLevel minimum) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) =>
        // What the log's own writing says would be written in turn.
        categoryName.StartsWith("OmniPg.Jobmon", StringComparison.Ordinal) || categoryName.StartsWith("Npgsql", StringComparison.Ordinal)
            ? Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance
            : new CapturingLogger(categoryName, minimum);

    public void Dispose()
    {
    }

    private sealed class CapturingLogger(string category, LogLevel minimum) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= minimum && logLevel != LogLevel.None && JobScope.Current is not null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel < minimum || logLevel == LogLevel.None || JobScope.Current is not { } scope)
                return;
            var message = formatter(state, exception);
            scope.Capture(logLevel, category, exception is null ? message : $"{message}\n{exception}");
        }
    }
}
