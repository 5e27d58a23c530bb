using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace OmniPg.Testing;

/// <summary>A logger factory that keeps everything it is told, in order.</summary>
public sealed class FakeLoggerFactory : ILoggerFactory
{
    private readonly FakeLoggerProvider _provider = new();

    /// <summary>Everything logged so far, in order.</summary>
    public IReadOnlyList<FakeLogRecord> Lines => _provider.Collector.GetSnapshot();

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => _provider.CreateLogger(categoryName);

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => throw new InvalidOperationException("It takes no providers.");

    /// <inheritdoc/>
    public void Dispose() => _provider.Dispose();
}
