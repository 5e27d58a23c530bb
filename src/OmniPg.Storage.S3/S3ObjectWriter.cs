using System.Globalization;
using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using OmniPg.Shared;

namespace OmniPg.Storage.S3;

/// <summary>One new object: gathered and put in one request, or sent in parts that become an object together.</summary>
/// <remarks>
/// Each writer marks its object with a number of its own. A repetition of a request that had worked meets its own object; the mark tells it from
/// somebody else's.
/// </remarks>
internal sealed class S3ObjectWriter(S3ObjectStore store, CreateOnce createOnce, string key, ObjectInfo info) : IObjectWriter
{
    /// <summary>XXH128 of the uncompressed content; objects sent in parts have neither this nor the next two, because metadata travels before the content.</summary>
    public const string Xxh128Metadata = "x-amz-meta-omnipg-xxh128";

    /// <summary>Size of the uncompressed content.</summary>
    public const string RawBytesMetadata = "x-amz-meta-omnipg-raw-bytes";

    /// <summary>SHA-256 of the object as stored.</summary>
    public const string StoredSha256Metadata = "x-amz-meta-omnipg-stored-sha256";

    /// <summary>Modification time to keep, round-trip format.</summary>
    public const string ModifiedMetadata = "x-amz-meta-omnipg-modified";

    private const string WriterMetadata = "x-amz-meta-omnipg-writer";

    // Amazon S3 User Guide, "Multipart upload limits".
    private const int MostParts = 10_000;

    private readonly string _writer = Guid.NewGuid().ToString("N");
    private readonly PartBuffer _buffer = new();
    private readonly List<PartETag> _parts = [];

    // What is known to be small is gathered whole; anything else is cut as soon as there is a part.
    private readonly long _most = info.RawBytes is { } raw && raw <= store.SinglePutBytes
        ? Math.Max(store.SinglePutBytes, store.PartBytes)
        : Math.Max(store.PartBytes, (info.RawBytes ?? 0) / (MostParts - 100));

    private string? _uploadId;
    private long _sent;

    /// <summary>What the writer of an object said of its content; null when it is not all there.</summary>
    public static ObjectContent? ContentOf(GetObjectMetadataResponse head) =>
        head.Metadata[Xxh128Metadata] is { } xxh128 && head.Metadata[StoredSha256Metadata] is { } sha256
            && long.TryParse(head.Metadata[RawBytesMetadata], NumberStyles.None, CultureInfo.InvariantCulture, out var raw)
            ? new ObjectContent(xxh128, raw, head.ContentLength, sha256)
            : null;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        while (!bytes.IsEmpty)
        {
            // Sent when more comes, not when it is full: the last part may be the whole object.
            if (_buffer.Length >= _most)
                await SendPartAsync(cancellationToken).ConfigureAwait(false);
            var taken = (int)Math.Min(bytes.Length, _most - _buffer.Length);
            _buffer.Append(bytes.Span[..taken]);
            bytes = bytes[taken..];
        }
    }

    public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var conditional = await createOnce.IsHonouredAsync(cancellationToken).ConfigureAwait(false);
        if (!conditional && await store.HeadAsync(key, cancellationToken).ConfigureAwait(false) is not null)
            return ObjectCommitResult.AlreadyExists;
        if (_uploadId is not null)
            await SendPartAsync(cancellationToken).ConfigureAwait(false);

        var proven = false;
        try
        {
            if (_uploadId is null)
                proven = await PutAsync(content, conditional, cancellationToken).ConfigureAwait(false);
            else
                await CompleteAsync(conditional, cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.InnerException is AmazonS3Exception { StatusCode: HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict or HttpStatusCode.NotFound })
        {
            // 412: a key that is taken. 409: somebody creates it right now. 404: the parts are an object already. Each by somebody else, or by this
            // writer, whose answer was lost; the object itself tells.
            var head = await store.HeadAsync(key, cancellationToken).ConfigureAwait(false);
            if (head is null)
                throw;
            if (head.Metadata[WriterMetadata] != _writer)
                return ObjectCommitResult.AlreadyExists;
        }

        _uploadId = null;
        return proven ? ObjectCommitResult.Created : await LookAsync(cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        _buffer.Dispose();
        if (_uploadId is not { } upload)
            return;
        _uploadId = null;
        try
        {
            await store.CallAsync(
                key, "abort an upload of", t => store.Client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = store.Bucket, Key = store.Prefix + key, UploadId = upload }, t), CancellationToken.None)
                .ConfigureAwait(false);
        }
        catch (S3Exception)
        {
            // Parts that nobody completes are no object. RemoveAbandonedAsync finds them, and so does a lifecycle rule of the bucket.
        }
    }

    /// <summary>Returns whether the server said which bytes it stored.</summary>
    private async Task<bool> PutAsync(ObjectContent content, bool conditional, CancellationToken cancellationToken)
    {
        var sha256 = _buffer.Sha256();
        var request = new PutObjectRequest
        {
            BucketName = store.Bucket,
            Key = store.Prefix + key,
            InputStream = _buffer,
            AutoCloseStream = false,
            UseChunkEncoding = false,
            DisablePayloadSigning = !store.BodyNeedsSignature,
            ChecksumSHA256 = sha256,
            IfNoneMatch = conditional ? "*" : null,
        };
        Mark(request.Metadata);
        if (content.Xxh128 is { Length: > 0 })
        {
            request.Metadata[Xxh128Metadata] = content.Xxh128;
            request.Metadata[RawBytesMetadata] = content.RawBytes.ToString(CultureInfo.InvariantCulture);
            request.Metadata[StoredSha256Metadata] = content.StoredSha256;
        }

        _sent = _buffer.Length;
        var response = await store.CallAsync(key, "put", t => store.Client.PutObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
        return response.ChecksumSHA256 == sha256;
    }

    private async Task SendPartAsync(CancellationToken cancellationToken)
    {
        if (_uploadId is null)
        {
            var start = new InitiateMultipartUploadRequest { BucketName = store.Bucket, Key = store.Prefix + key, ChecksumAlgorithm = ChecksumAlgorithm.SHA256 };
            Mark(start.Metadata);
            _uploadId = (await store.CallAsync(key, "begin an upload of", t => store.Client.InitiateMultipartUploadAsync(start, t), cancellationToken).ConfigureAwait(false)).UploadId;
        }

        if (_parts.Count == MostParts)
        {
            throw new S3RequestException(
                $"Cannot put '{key}' of '{store.Id}': it has more than {MostParts} parts of {store.PartBytes} bytes. Hint: raise PartBytes, or tell the size beforehand (ObjectInfo.RawBytes).");
        }

        var sha256 = _buffer.Sha256();
        _buffer.Position = 0;
        var number = _parts.Count + 1;
        var request = new UploadPartRequest
        {
            BucketName = store.Bucket,
            Key = store.Prefix + key,
            UploadId = _uploadId,
            PartNumber = number,
            InputStream = _buffer,
            PartSize = _buffer.Length,
            UseChunkEncoding = false,
            DisablePayloadSigning = !store.BodyNeedsSignature,
            ChecksumSHA256 = sha256,
        };
        var response = await store.CallAsync(key, "send a part of", t => store.Client.UploadPartAsync(request, t), cancellationToken).ConfigureAwait(false);
        _parts.Add(new PartETag(number, response.ETag) { ChecksumSHA256 = response.ChecksumSHA256 });
        _sent += _buffer.Length;
        _buffer.Clear();
    }

    private Task<CompleteMultipartUploadResponse> CompleteAsync(bool conditional, CancellationToken cancellationToken)
    {
        var request = new CompleteMultipartUploadRequest
        {
            BucketName = store.Bucket,
            Key = store.Prefix + key,
            UploadId = _uploadId,
            PartETags = _parts,
            IfNoneMatch = conditional ? "*" : null,
        };
        return store.CallAsync(key, "complete", t => store.Client.CompleteMultipartUploadAsync(request, t), cancellationToken);
    }

    /// <summary>Asks for what is stored: not every server verifies checksums, and some keep the framing of a body as content.</summary>
    private async Task<ObjectCommitResult> LookAsync(CancellationToken cancellationToken)
    {
        var head = await store.HeadAsync(key, cancellationToken).ConfigureAwait(false)
            ?? throw new S3DamagedObjectException($"The server took '{key}' of '{store.Id}' and does not have it.");
        if (head.Metadata[WriterMetadata] != _writer)
            return ObjectCommitResult.AlreadyExists;
        if (head.ContentLength == _sent)
            return ObjectCommitResult.Created;
        await store.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        throw new S3DamagedObjectException($"'{key}' of '{store.Id}' was sent with {_sent} bytes and stored with {head.ContentLength}.");
    }

    private void Mark(MetadataCollection metadata)
    {
        metadata[WriterMetadata] = _writer;
        if (info.Modified is { } modified)
            metadata[ModifiedMetadata] = modified.ToString("O", CultureInfo.InvariantCulture);
    }
}
