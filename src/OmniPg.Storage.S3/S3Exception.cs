using System.Net;
using Amazon.Runtime;
using Amazon.S3;

namespace OmniPg.Storage.S3;

/// <summary>Base of what <see cref="S3ObjectStore"/> reports. Messages name bucket, key, status and the server's id of the request.</summary>
public abstract class S3Exception : OmniPgException
{
    private protected S3Exception(string code, string message, string? hint = null, Exception? innerException = null)
        : base(code, message, hint, innerException)
    {
    }

    internal static S3Exception From(Exception error, string what) => error switch
    {
        AmazonS3Exception { ErrorCode: "NoSuchBucket" } e => new S3BucketMissingException($"{what}: the bucket does not exist{Server(e)}.", e),
        AmazonS3Exception { StatusCode: HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized } e => new S3AccessDeniedException($"{what}: refused{Server(e)}.", e),
        AmazonS3Exception e when (int)e.StatusCode is >= 500 or 429 or 409 or 408 or 0 => new S3UnavailableException($"{what}: the server cannot answer now{Server(e)}.", e),
        AmazonS3Exception e => new S3RequestException($"{what}: not accepted{Server(e)}: {e.Message}", e),
        AmazonClientException e when e.Message.Contains("credentials", StringComparison.OrdinalIgnoreCase) =>
            new S3AccessDeniedException($"{what}: no credentials were found.", e),
        _ => new S3UnavailableException($"{what}: no answer: {error.Message}", error),
    };

    private static string Server(AmazonS3Exception e) =>
        $" (status '{(int)e.StatusCode}', error '{e.ErrorCode}'{(string.IsNullOrEmpty(e.RequestId) ? "" : $", request '{e.RequestId}'")})";
}

/// <summary>The credentials may not do that, are wrong, or there are none. Code <c>s3.access-denied</c>.</summary>
public sealed class S3AccessDeniedException : S3Exception
{
    internal S3AccessDeniedException(string message, Exception innerException)
        : base("s3.access-denied", message, "Look at the credentials, the clock of this machine and the policy: docs/object-stores.md lists the actions.", innerException)
    {
    }
}

/// <summary>The bucket is not there; it is never created here. Code <c>s3.bucket-missing</c>.</summary>
public sealed class S3BucketMissingException : S3Exception
{
    internal S3BucketMissingException(string message, Exception innerException)
        : base("s3.bucket-missing", message, "Look at the bucket's name, the endpoint and the region; create the bucket if this is its first use.", innerException)
    {
    }
}

/// <summary>No answer, or one that says "later", after all repetitions. Code <c>s3.unavailable</c>; transient.</summary>
public sealed class S3UnavailableException : S3Exception
{
    internal S3UnavailableException(string message, Exception innerException)
        : base("s3.unavailable", message, null, innerException)
    {
    }

    /// <inheritdoc/>
    public override bool IsTransient => true;
}

/// <summary>The server does not accept the request and would not accept it later. Code <c>s3.request</c>.</summary>
public sealed class S3RequestException : S3Exception
{
    internal S3RequestException(string message, Exception? innerException = null)
        : base("s3.request", message, null, innerException)
    {
    }
}

/// <summary>The server stored or sent other bytes than it was given or announced. Code <c>s3.damaged</c>.</summary>
public sealed class S3DamagedObjectException : S3Exception
{
    internal S3DamagedObjectException(string message, Exception? innerException = null)
        : base("s3.damaged", message, "The object was removed again if it was written just now; a proxy or server that changes bodies must not stand in the way.", innerException)
    {
    }
}
