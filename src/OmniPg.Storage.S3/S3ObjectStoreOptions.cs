using OmniPg.Shared;

namespace OmniPg.Storage.S3;

/// <summary>Which bucket, and how to reach it.</summary>
public sealed class S3ObjectStoreOptions : ICheckedOptions
{
    /// <summary>Name of the bucket; it must exist. Required.</summary>
    public string Bucket { get; set; } = "";

    /// <summary>What all keys of this store begin with, such as <c>prod/wal</c>; a <c>/</c> stands between it and a key. Default: empty, the whole bucket.</summary>
    public string Prefix { get; set; } = "";

    /// <summary>Address of an S3-compatible server, such as <c>https://storage.googleapis.com</c> or <c>http://127.0.0.1:9000</c>. Default: <see langword="null"/>, Amazon's own for <see cref="Region"/>.</summary>
    public Uri? Endpoint { get; set; }

    /// <summary>Region of the bucket. Default: <see langword="null"/>, that of <c>AWS_REGION</c> or of the profile; <c>us-east-1</c> for an <see cref="Endpoint"/> without one.</summary>
    public string? Region { get; set; }

    /// <summary>Whether the bucket stands in the path and not in the name of the host. Default: <see langword="true"/> exactly with an <see cref="Endpoint"/>.</summary>
    public bool? PathStyle { get; set; }

    /// <summary>Id of the key. Default: <see langword="null"/>, the standard chain: <c>AWS_ACCESS_KEY_ID</c>, profile, web identity, container, instance.</summary>
    public string? AccessKey { get; set; }

    /// <summary>The secret that belongs to <see cref="AccessKey"/>; never logged.</summary>
    public string? SecretKey { get; set; }

    /// <summary>Token of temporary credentials, with <see cref="AccessKey"/> only. Default: <see langword="null"/>.</summary>
    public string? SessionToken { get; set; }

    /// <summary>Largest object that is sent as one request and held in memory until then; larger ones go in parts of <see cref="PartBytes"/>. Default: 64 MiB.</summary>
    public int SinglePutBytes { get; set; } = 64 << 20;

    /// <summary>Size of a part of a larger object, 5 MiB to 1 GiB; a part is held in memory. Grows by itself for objects whose known size would need more than 10,000 parts. Default: 16 MiB.</summary>
    public int PartBytes { get; set; } = 16 << 20;

    /// <summary>How often the client repeats a request that met a 5xx, a 429 or a broken connection. Default: 4.</summary>
    public int MaxRetries { get; set; } = 4;

    /// <summary>Longest time of one attempt at a request. Default: 2 minutes.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromMinutes(2);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(!string.IsNullOrWhiteSpace(Bucket), "Bucket is missing.");
        check.That(Endpoint is null || Endpoint is { IsAbsoluteUri: true, Scheme: "http" or "https" }, $"Endpoint '{Endpoint}' must be an http or https address.");
        check.That(AccessKey is null == SecretKey is null, "AccessKey and SecretKey come together.");
        check.That(SessionToken is null || AccessKey is not null, "SessionToken needs AccessKey and SecretKey.");
        check.That(!Prefix.StartsWith('/') && !Prefix.Contains("//", StringComparison.Ordinal), $"Prefix '{Prefix}' must neither begin with '/' nor hold '//'.");
        check.Range(SinglePutBytes, 1, int.MaxValue);
        check.Range(PartBytes, 5 << 20, 1 << 30);
        check.Range(MaxRetries, 0, 100);
        check.Range(RequestTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(24));
    }
}
