using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli;

/// <summary>Short lines for PostgreSQL's log: warnings and worse, everything when verbose. Never throws, because its writer does not.</summary>
internal sealed class StderrLoggerProvider(TextWriter error, bool verbose) : ILoggerProvider, ILogger
{
    private const string HintMark = " Hint: ";

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
            Write(error, Word(logLevel) + text);
    }

    /// <summary>One message in the look of both programs: the program's name, and the hint on a line of its own.</summary>
    public static void Write(TextWriter error, string text)
    {
        // Several destinations may have failed, each with its hint; only that of a whole message stands at the end.
        var hint = text.IndexOf(HintMark, StringComparison.Ordinal);
        var isWhole = hint >= 0 && text.IndexOf(HintMark, hint + 1, StringComparison.Ordinal) < 0;
        error.WriteLine($"omnipg-wal: {OneLine.Of(isWhole ? text[..hint] : text)}");
        if (isWhole)
            error.WriteLine($"hint: {OneLine.Of(text[(hint + HintMark.Length)..])}");
        error.Flush();
    }

    public void Dispose()
    {
    }

    private static string Word(LogLevel level) => level switch
    {
        LogLevel.Critical or LogLevel.Error => "",
        LogLevel.Warning => "warning: ",
        LogLevel.Information => "log: ",
        _ => "debug: ",
    };
}
