using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Shared;

namespace OmniPg.Storage.S3;

/// <summary>Keeps objects in a bucket of Amazon S3, or of a server that speaks its language (Google's, R2, Ceph, MinIO): created once, checked, never replaced.</summary>
/// <remarks>
/// An object becomes visible whole, by one conditional request (<c>If-None-Match: *</c>); nothing is renamed, rewritten or deleted on the way, which suits Object
/// Lock. Whether an endpoint honours the condition is proven once with a small object, <c>.omnipg-create-once</c>, that stays there and is not listed. One that
/// does not is asked before each write and warned of (event 7001): of two writers with the same key at the same moment the later then wins.
/// Thread safe; several processes may write to one bucket.
/// </remarks>
public sealed class S3ObjectStore : IObjectStore
{
    // The client's own 8 KiB make a call of the system for each piece of a body.
    private const int BodyPieceBytes = 256 * 1024;

    private readonly AmazonS3Client _client;
    private readonly CreateOnce _createOnce;

    /// <summary>Makes a store over a bucket; nothing is asked yet.</summary>
    /// <param name="options">Bucket and way to it; copied.</param>
    /// <param name="loggerFactory">Takes the one warning; default: none.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all reasons at once.</exception>
    public S3ObjectStore(S3ObjectStoreOptions options, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionsCheck.Require(options);
        Bucket = options.Bucket;
        Prefix = options.Prefix.Length == 0 || options.Prefix.EndsWith('/') ? options.Prefix : options.Prefix + "/";
        Id = options.Endpoint is null ? $"s3:{Bucket}/{Prefix}" : $"s3:{options.Endpoint.Authority}/{Bucket}/{Prefix}";
        SinglePutBytes = options.SinglePutBytes;
        PartBytes = options.PartBytes;
        var config = Configure(options);
        _client = options.AccessKey is null
            ? new AmazonS3Client(config)
            : new AmazonS3Client(options.SessionToken is null
                ? new BasicAWSCredentials(options.AccessKey, options.SecretKey)
                : new SessionAWSCredentials(options.AccessKey, options.SecretKey, options.SessionToken), config);
        // Amazon itself honours conditional writes in every region since 2024; behind any other address stands a server to be tried.
        _createOnce = new CreateOnce(this, proven: options.Endpoint is null, (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<S3ObjectStore>());
    }

    /// <summary>Name of the bucket.</summary>
    public string Bucket { get; }

    /// <summary>What all keys begin with; empty, or with a <c>/</c> at its end.</summary>
    public string Prefix { get; }

    /// <inheritdoc/>
    public string Id { get; }

    internal IAmazonS3 Client => _client;

    internal int SinglePutBytes { get; }

    internal int PartBytes { get; }

    /// <summary>Over TLS the body need not be part of the signature: its checksum is, and is verified by the server.</summary>
    internal bool BodyNeedsSignature => _client.Config.ServiceURL?.StartsWith("http:", StringComparison.OrdinalIgnoreCase) == true;

    /// <inheritdoc/>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public async Task<string> IdentifyAsync(CancellationToken cancellationToken = default)
    {
        await CallAsync("", "identify", t => _client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = Bucket, Prefix = Prefix, MaxKeys = 1 }, t), cancellationToken)
            .ConfigureAwait(false);
        return Id;
    }

    /// <inheritdoc/>
    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(info);
        cancellationToken.ThrowIfCancellationRequested();
        if (key == CreateOnce.Key)
            throw new ArgumentException($"The key '{key}' is the store's own.", nameof(key));
        return new ValueTask<IObjectWriter>(new S3ObjectWriter(this, _createOnce, key, info));
    }

    /// <inheritdoc/>
    /// <remarks>A body that ends before its announced length throws an <see cref="IOException"/> that names the object while it is read.</remarks>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        try
        {
            var response = await CallAsync(key, "read", t => _client.GetObjectAsync(new GetObjectRequest { BucketName = Bucket, Key = Prefix + key }, t), cancellationToken)
                .ConfigureAwait(false);
            return new ObjectBody(response.ResponseStream, $"Cannot read '{key}' of '{Id}'");
        }
        catch (S3RequestException e) when (e.InnerException is AmazonS3Exception { ErrorCode: "NoSuchKey" })
        {
            return null;
        }
    }

    /// <inheritdoc/>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public async Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        var head = await HeadAsync(key, cancellationToken).ConfigureAwait(false);
        if (head is null)
        {
            // An answer to HEAD has no body: 404 may also mean the bucket. A listing tells which.
            await IdentifyAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }

        var modified = head.Metadata[S3ObjectWriter.ModifiedMetadata] is { } written
            && DateTimeOffset.TryParse(written, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
                ? time
                : Utc(head.LastModified);
        return new ObjectEntry(key, head.ContentLength, modified, S3ObjectWriter.ContentOf(head));
    }

    /// <inheritdoc/>
    /// <remarks><see cref="ObjectEntry.Modified"/> is when the object was written, and <see cref="ObjectEntry.Content"/> is null: a listing holds no more.</remarks>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => ListAsync(prefix, int.MaxValue, cancellationToken);

    /// <inheritdoc/>
    /// <remarks><see cref="ObjectEntry.Modified"/> is when the object was written, and <see cref="ObjectEntry.Content"/> is null: a listing holds no more.</remarks>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public async IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, int depth, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        var folders = new Stack<string>([prefix]);
        while (folders.TryPop(out var folder))
        {
            if (folder.Count('/') > depth)
                continue;
            var request = new ListObjectsV2Request { BucketName = Bucket, Prefix = Prefix + folder, Delimiter = depth == int.MaxValue ? null : "/" };
            do
            {
                var page = await CallAsync(folder, "list", t => _client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
                foreach (var found in page.S3Objects ?? [])
                {
                    var key = found.Key[Prefix.Length..];
                    if (key.Length > 0 && key != CreateOnce.Key)
                        yield return new ObjectEntry(key, found.Size ?? 0, Utc(found.LastModified));
                }

                foreach (var deeper in page.CommonPrefixes ?? [])
                    folders.Push(deeper[Prefix.Length..]);
                request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
            }
            while (request.ContinuationToken is not null);
        }
    }

    /// <inheritdoc/>
    /// <remarks>In a bucket with versions a marker hides the object; what Object Lock keeps stays kept.</remarks>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return CallAsync(key, "delete", t => _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = Bucket, Key = Prefix + key }, t), cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>Unfinished uploads in parts, which S3 keeps and bills: those whose last part (or beginning) is older. 0 where the server keeps no list of them.</remarks>
    /// <exception cref="S3Exception">The bucket does not exist, refuses, or does not answer.</exception>
    public async Task<int> RemoveAbandonedAsync(DateTimeOffset olderThan, int depth = int.MaxValue, CancellationToken cancellationToken = default)
    {
        var removed = 0;
        var request = new ListMultipartUploadsRequest { BucketName = Bucket, Prefix = Prefix };
        while (true)
        {
            ListMultipartUploadsResponse page;
            try
            {
                page = await CallAsync("", "list unfinished uploads", t => _client.ListMultipartUploadsAsync(request, t), cancellationToken).ConfigureAwait(false);
            }
            catch (S3Exception e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.NotImplemented })
            {
                return removed;
            }

            foreach (var upload in page.MultipartUploads ?? [])
            {
                var key = upload.Key[Prefix.Length..];
                if (key.Count('/') > depth || Utc(upload.Initiated) >= olderThan || await LastPartAsync(upload, cancellationToken).ConfigureAwait(false) >= olderThan)
                    continue;
                await CallAsync(
                    key, "abort an upload of", t => _client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = Bucket, Key = upload.Key, UploadId = upload.UploadId }, t), cancellationToken)
                    .ConfigureAwait(false);
                removed++;
            }

            if (page.IsTruncated != true)
                return removed;
            (request.KeyMarker, request.UploadIdMarker) = (page.NextKeyMarker, page.NextUploadIdMarker);
        }
    }

    /// <summary>Closes the connections.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _createOnce.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Metadata of an object; null for any 404, the bucket's own included.</summary>
    internal async Task<GetObjectMetadataResponse?> HeadAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync(key, "stat", t => _client.GetObjectMetadataAsync(new GetObjectMetadataRequest { BucketName = Bucket, Key = Prefix + key }, t), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (S3RequestException e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.NotFound })
        {
            return null;
        }
    }

    /// <summary>Runs one request; whatever fails becomes an <see cref="S3Exception"/> that keeps the client's error inside.</summary>
    internal async Task<T> CallAsync<T>(string key, string verb, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception error) when (error is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or OperationCanceledException or TimeoutException)
        {
            throw S3Exception.From(error, $"Cannot {verb} '{key}' of '{Id}'");
        }
    }

    private async Task<DateTimeOffset> LastPartAsync(MultipartUpload upload, CancellationToken cancellationToken)
    {
        var last = DateTimeOffset.MinValue;
        var request = new ListPartsRequest { BucketName = Bucket, Key = upload.Key, UploadId = upload.UploadId };
        while (true)
        {
            var page = await CallAsync(upload.Key[Prefix.Length..], "list parts of", t => _client.ListPartsAsync(request, t), cancellationToken).ConfigureAwait(false);
            foreach (var part in page.Parts ?? [])
                last = Utc(part.LastModified) is var written && written > last ? written : last;
            if (page.IsTruncated != true)
                return last;
            request.PartNumberMarker = page.NextPartNumberMarker?.ToString(CultureInfo.InvariantCulture);
        }
    }

    private static DateTimeOffset Utc(DateTime? time) => time is { } t ? new DateTimeOffset(t.ToUniversalTime()) : DateTimeOffset.MinValue;

    private static AmazonS3Config Configure(S3ObjectStoreOptions options)
    {
        var config = new AmazonS3Config
        {
            ForcePathStyle = options.PathStyle ?? options.Endpoint is not null,
            // Checksums are ours, one for each request: the client's own kind travels in a framing that simple servers store as content.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            RetryMode = RequestRetryMode.Standard,
            MaxErrorRetry = options.MaxRetries,
            Timeout = options.RequestTimeout,
            BufferSize = BodyPieceBytes,
        };
        if (options.Endpoint is null)
        {
            if (options.Region is not null)
                config.RegionEndpoint = RegionEndpoint.GetBySystemName(options.Region);
            return config;
        }

        config.ServiceURL = options.Endpoint.AbsoluteUri;
        config.AuthenticationRegion = options.Region ?? "us-east-1";
        return config;
    }
}
