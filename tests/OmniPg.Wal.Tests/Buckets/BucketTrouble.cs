using OmniPg.Storage.S3;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Buckets;

/// <summary>What a bucket answers instead of doing what it is asked.</summary>
internal static class BucketTrouble
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Trouble of any request.</summary>
    public static TheoryData<string> Of { get; } = ["403", "404", "429", "500", "503", "cut", "silent"];

    /// <summary>Trouble of a request that writes: also the word that the key is taken, where it is not.</summary>
    public static TheoryData<string> OfWriting { get; } = ["403", "404", "412", "429", "500", "503", "cut", "silent"];

    public static S3Fault Make(string trouble) => trouble switch
    {
        "403" => new S3Fault { Status = 403, Error = "AccessDenied" },
        "404" => new S3Fault { Status = 404, Error = "NoSuchBucket" },
        "412" => new S3Fault { Status = 412, Error = "PreconditionFailed" },
        "429" => new S3Fault { Status = 429, Error = "SlowDown" },
        "500" => new S3Fault { Status = 500, Error = "InternalError" },
        "503" => new S3Fault { Status = 503, Error = "SlowDown" },
        "cut" => new S3Fault { Cut = true },
        "silent" => new S3Fault { Hold = Task.Delay(Timeout.InfiniteTimeSpan) },
        _ => throw new ArgumentOutOfRangeException(nameof(trouble), trouble, null),
    };

    /// <summary>A store that says at once what the bucket said, and waits for a silent one only as long as a test can.</summary>
    public static S3ObjectStore Store(S3Endpoint bucket, string prefix, string trouble = "", int retries = 0) => new(new S3ObjectStoreOptions
    {
        Bucket = S3Endpoint.Bucket,
        Prefix = prefix,
        Endpoint = bucket.Url,
        AccessKey = S3Endpoint.AccessKey,
        SecretKey = S3Endpoint.SecretKey,
        MaxRetries = retries,
        RequestTimeout = trouble == "silent" ? Patience : TimeSpan.FromSeconds(60),
    });
}
