using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace OmniPg.Testing;

/// <summary>One line that a logger received.</summary>
/// <param name="Category">Logger category.</param>
/// <param name="Level">Level.</param>
/// <param name="Id">Event id.</param>
/// <param name="Message">Formatted message.</param>
/// <param name="Exception">Attached error, if any.</param>
public sealed record LogLine(string Category, LogLevel Level, EventId Id, string Message, Exception? Exception);

/// <summary>A logger factory that keeps everything it is told, in order.</summary>
public sealed class ListLoggerFactory : ILoggerFactory
{
    private readonly ConcurrentQueue<LogLine> _lines = new();

    /// <summary>Everything logged so far, in order.</summary>
    public IReadOnlyList<LogLine> Lines => [.. _lines];

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new ListLogger(categoryName, _lines);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new InvalidOperationException("A list logger takes no providers.");

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private sealed class ListLogger(string category, ConcurrentQueue<LogLine> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue(new LogLine(category, logLevel, eventId, formatter(state, exception), exception));
    }
}
