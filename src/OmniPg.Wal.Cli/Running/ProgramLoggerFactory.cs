using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli;

/// <summary>A logger factory with one provider: all that a program without dependency injection needs.</summary>
internal sealed class ProgramLoggerFactory(ILoggerProvider provider) : ILoggerFactory
{
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("The program logs to one place.");

    public ILogger CreateLogger(string categoryName) => provider.CreateLogger(categoryName);

    public void Dispose() => provider.Dispose();
}
