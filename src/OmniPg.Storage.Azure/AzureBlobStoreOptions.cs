using OmniPg.Shared;

namespace OmniPg.Storage.Azure;

/// <summary>Which container, and how to reach it.</summary>
public sealed class AzureBlobStoreOptions : ICheckedOptions
{
    /// <summary>Name of the container; it must exist. Required.</summary>
    public string Container { get; set; } = "";

    /// <summary>What all keys of this store begin with, such as <c>prod/wal</c>; a <c>/</c> stands between it and a key. Default: empty, the whole container.</summary>
    public string Prefix { get; set; } = "";

    /// <summary>Connection string of the account, with a key or a shared access signature; never logged. Required.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>Largest object that is sent as one request and held in memory until then; larger ones go in blocks of <see cref="BlockBytes"/>. Default: 64 MiB.</summary>
    public int SinglePutBytes { get; set; } = 64 << 20;

    /// <summary>Size of a block of a larger object, 1 MiB to 1 GiB; a block is held in memory. Grows by itself for objects whose known size would need more than 50,000 blocks. Default: 16 MiB.</summary>
    public int BlockBytes { get; set; } = 16 << 20;

    /// <summary>How often the client repeats a request that met a 5xx, a 429 or a broken connection. Default: 4.</summary>
    public int MaxRetries { get; set; } = 4;

    /// <summary>Longest time of one attempt at a request. Default: 2 minutes.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(2);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(!string.IsNullOrWhiteSpace(Container), "Container is missing.");
        check.That(!string.IsNullOrWhiteSpace(ConnectionString), "ConnectionString is missing.");
        check.That(!Prefix.StartsWith('/') && !Prefix.Contains("//", StringComparison.Ordinal), $"Prefix '{Prefix}' must neither begin with '/' nor hold '//'.");
        check.Range(SinglePutBytes, 1, int.MaxValue);
        check.Range(BlockBytes, 1 << 20, 1 << 30);
        check.Range(MaxRetries, 0, 100);
        check.Range(RequestTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(24));
    }
}
