using System.Globalization;
using System.Text;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using OmniPg.Shared;

namespace OmniPg.Storage.Azure;

/// <summary>One new blob: gathered and put in one request, or sent in blocks that become a blob together.</summary>
/// <remarks>
/// Each writer marks its blob with a number of its own. A repetition of a request that had worked meets its own blob; the mark tells it from somebody else's.
/// The service compares an MD5 of each request with the body before it stores it; the newer CRC64 travels in a framing that emulators store as content.
/// </remarks>
internal sealed class AzureBlobWriter(AzureBlobStore store, BlockBlobClient blob, string key, ObjectInfo info) : IObjectWriter
{
    /// <summary>XXH128 of the uncompressed content.</summary>
    public const string Xxh128Metadata = "omnipg_xxh128";

    /// <summary>Size of the uncompressed content.</summary>
    public const string RawBytesMetadata = "omnipg_raw_bytes";

    /// <summary>SHA-256 of the blob as stored.</summary>
    public const string StoredSha256Metadata = "omnipg_stored_sha256";

    /// <summary>Modification time to keep, round-trip format.</summary>
    public const string ModifiedMetadata = "omnipg_modified";

    private const string WriterMetadata = "omnipg_writer";

    // "Scalability and performance targets for Blob storage": blocks of a block blob.
    private const int MostBlocks = 50_000;

    private static readonly UploadTransferValidationOptions Checked = new() { ChecksumAlgorithm = StorageChecksumAlgorithm.MD5 };

    private readonly string _writer = Guid.NewGuid().ToString("N");
    private readonly PartBuffer _buffer = new();
    private readonly List<string> _blocks = [];

    // What is known to be small is gathered whole; anything else is cut as soon as there is a block.
    private readonly long _most = info.RawBytes is { } raw && raw <= store.SinglePutBytes
        ? Math.Max(store.SinglePutBytes, store.BlockBytes)
        : Math.Max(store.BlockBytes, (info.RawBytes ?? 0) / (MostBlocks - 100));

    private long _sent;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        while (!bytes.IsEmpty)
        {
            // Sent when more comes, not when it is full: the last block may be the whole object.
            if (_buffer.Length >= _most)
                await SendBlockAsync(cancellationToken).ConfigureAwait(false);
            var taken = (int)Math.Min(bytes.Length, _most - _buffer.Length);
            _buffer.Append(bytes.Span[..taken]);
            bytes = bytes[taken..];
        }
    }

    public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var metadata = new Dictionary<string, string> { [WriterMetadata] = _writer };
        if (info.Modified is { } modified)
            metadata[ModifiedMetadata] = modified.ToString("O", CultureInfo.InvariantCulture);
        if (content.Xxh128 is { Length: > 0 })
        {
            metadata[Xxh128Metadata] = content.Xxh128;
            metadata[RawBytesMetadata] = content.RawBytes.ToString(CultureInfo.InvariantCulture);
            metadata[StoredSha256Metadata] = content.StoredSha256;
        }

        var free = new BlobRequestConditions { IfNoneMatch = ETag.All };
        try
        {
            if (_blocks.Count == 0)
                await PutAsync(metadata, free, cancellationToken).ConfigureAwait(false);
            else
                await JoinAsync(metadata, free, cancellationToken).ConfigureAwait(false);
            return ObjectCommitResult.Created;
        }
        catch (AzureRequestException e) when (e.InnerException is RequestFailedException { Status: 412 or 409 or 400 })
        {
            // 409, 412: a key that is taken. 400: the blocks are a blob already. Each by somebody else, or by this writer, whose answer was lost.
            if (await store.PropertiesAsync(key, cancellationToken).ConfigureAwait(false) is not { } found)
                throw;
            return found.Metadata.TryGetValue(WriterMetadata, out var writer) && writer == _writer && found.ContentLength == _sent
                ? ObjectCommitResult.Created
                : ObjectCommitResult.AlreadyExists;
        }
    }

    public ValueTask DisposeAsync() => _buffer.DisposeAsync();

    private Task<Response<BlobContentInfo>> PutAsync(Dictionary<string, string> metadata, BlobRequestConditions free, CancellationToken cancellationToken)
    {
        _sent = _buffer.Length;
        _buffer.Position = 0;
        var options = new BlobUploadOptions
        {
            Metadata = metadata,
            Conditions = free,
            TransferValidation = Checked,
            TransferOptions = new StorageTransferOptions { InitialTransferSize = Math.Max(1, _sent), MaximumTransferSize = Math.Max(1, _sent), MaximumConcurrency = 1 },
        };
        return store.CallAsync(key, "put", t => blob.UploadAsync(_buffer, options, t), cancellationToken);
    }

    private async Task SendBlockAsync(CancellationToken cancellationToken)
    {
        if (_blocks.Count == MostBlocks)
        {
            throw new AzureRequestException(
                $"Cannot put '{key}' of '{store.Id}': it has more than {MostBlocks} blocks of {_most} bytes.", hint: "Raise BlockBytes, or tell the size beforehand (ObjectInfo.RawBytes).");
        }

        // Ids of a blob have one length. The writer's own part keeps two writers of one key from taking each other's blocks.
        var id = Convert.ToBase64String(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{_writer}{_blocks.Count:D6}")));
        _buffer.Position = 0;
        await store.CallAsync(key, "send a block of", t => blob.StageBlockAsync(id, _buffer, new BlockBlobStageBlockOptions { TransferValidation = Checked }, t), cancellationToken)
            .ConfigureAwait(false);
        _blocks.Add(id);
        _sent += _buffer.Length;
        _buffer.Clear();
    }

    private async Task JoinAsync(Dictionary<string, string> metadata, BlobRequestConditions free, CancellationToken cancellationToken)
    {
        await SendBlockAsync(cancellationToken).ConfigureAwait(false);
        await store.CallAsync(key, "commit", t => blob.CommitBlockListAsync(_blocks, new CommitBlockListOptions { Metadata = metadata, Conditions = free }, t), cancellationToken)
            .ConfigureAwait(false);
    }
}
