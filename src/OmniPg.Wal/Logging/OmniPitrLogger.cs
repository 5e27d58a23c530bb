using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>One category of an <see cref="OmniPitrLogFile"/>; the format has no place for categories or scopes.</summary>
internal sealed class OmniPitrLogger(OmniPitrLogFile file, bool verbose) : ILogger
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
