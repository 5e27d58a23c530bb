using OmniPg.Testing;

namespace OmniPg.Storage.S3.Tests;

/// <summary>One server for a class; each store has a prefix of its own.</summary>
public sealed class S3Fixture : IAsyncLifetime
{
    private int _stores;

    public S3Endpoint Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await S3Endpoint.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    public S3ObjectStoreOptions Options() => new()
    {
        Bucket = S3Endpoint.Bucket,
        Endpoint = Server.Url,
        AccessKey = S3Endpoint.AccessKey,
        SecretKey = S3Endpoint.SecretKey,
        Prefix = $"test-{Interlocked.Increment(ref _stores)}",
        RequestTimeout = TimeSpan.FromSeconds(30),
        MaxRetries = 2,
    };

    public S3ObjectStore Store(Action<S3ObjectStoreOptions>? change = null, Microsoft.Extensions.Logging.ILoggerFactory? loggerFactory = null)
    {
        var options = Options();
        change?.Invoke(options);
        return new S3ObjectStore(options, loggerFactory);
    }
}
