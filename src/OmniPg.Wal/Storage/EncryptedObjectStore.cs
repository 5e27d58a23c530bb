using System.Buffers;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>
/// A store whose objects are encrypted with AES-256-GCM before another store gets them, under their key with <c>.enc</c> behind it. Archive, restore, verification and
/// backups stand on it as on any other. Objects that were stored without encryption before stay readable.
/// </summary>
/// <remarks>
/// The marker <see cref="WalArchiveMarker.Key"/> stays plain: whose archive it is must be known without a key. Names, sizes and times of objects are not hidden.
/// Reading throws <see cref="CorruptCompressedDataException"/> for what is truncated, reordered or damaged; a file under another file's name opens, and is refused by
/// what stands in it (page addresses, digests). Thread safe.
/// </remarks>
public sealed class EncryptedObjectStore : IObjectStore
{
    private readonly IObjectStore _inner;
    private readonly IWalKeyProvider _keys;

    /// <summary>Wraps a store.</summary>
    /// <param name="inner">Takes the encrypted objects; not disposed.</param>
    /// <param name="keys">Current key for writing, any for reading.</param>
    public EncryptedObjectStore(IObjectStore inner, IWalKeyProvider keys)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(keys);
        (_inner, _keys) = (inner, keys);
    }

    /// <summary>The store with the objects as they are.</summary>
    internal IObjectStore Inner => _inner;

    /// <summary>That of the store inside, behind <c>encrypted:</c>: for delivery states it is another place.</summary>
    public string Id => $"encrypted:{_inner.Id}";

    /// <inheritdoc/>
    public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => _inner.IdentifyAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        if (IsPlain(key))
            return await _inner.CreateAsync(key, info, cancellationToken).ConfigureAwait(false);
        // The key first: where it cannot be had nothing is begun.
        var format = EncryptedFormat.Create(_keys.Current);
        return new Writer(await _inner.CreateAsync(key + EncryptedFormat.Extension, info, cancellationToken).ConfigureAwait(false), format);
    }

    /// <inheritdoc/>
    /// <exception cref="WalEncryptionException">Its key is not known.</exception>
    /// <exception cref="CorruptCompressedDataException">Its header is damaged.</exception>
    public async Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default)
    {
        if (IsPlain(key) || await _inner.OpenReadAsync(key + EncryptedFormat.Extension, cancellationToken).ConfigureAwait(false) is not { } stored)
            return await _inner.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        try
        {
            var format = await EncryptedFormat.ReadAsync(stored, id => _keys.Find(id) ?? throw WalEncryptionException.UnknownKey(Id, key, id), cancellationToken).ConfigureAwait(false);
            return new DecryptingStream(stored, format);
        }
        catch
        {
            await stored.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default)
    {
        var found = IsPlain(key) ? null : await _inner.StatAsync(key + EncryptedFormat.Extension, cancellationToken).ConfigureAwait(false);
        return found is null ? await _inner.StatAsync(key, cancellationToken).ConfigureAwait(false) : found with { Key = key };
    }

    /// <inheritdoc/>
    public async Task EnsureDurableAsync(string key, CancellationToken cancellationToken = default)
    {
        var isEncrypted = !IsPlain(key) && await _inner.StatAsync(key + EncryptedFormat.Extension, cancellationToken).ConfigureAwait(false) is not null;
        await _inner.EnsureDurableAsync(isEncrypted ? key + EncryptedFormat.Extension : key, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => Named(_inner.ListAsync(prefix, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, int depth, CancellationToken cancellationToken = default) =>
        Named(_inner.ListAsync(prefix, depth, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public async Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        if (!IsPlain(key))
            await _inner.DeleteAsync(key + EncryptedFormat.Extension, cancellationToken).ConfigureAwait(false);
        await _inner.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<int> RemoveAbandonedAsync(DateTimeOffset olderThan, int depth = int.MaxValue, CancellationToken cancellationToken = default) =>
        _inner.RemoveAbandonedAsync(olderThan, depth, cancellationToken);

    /// <summary>Does nothing: the store inside belongs to whoever made it.</summary>
    /// <returns>A completed task.</returns>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Another store under the same keys.</summary>
    internal EncryptedObjectStore Over(IObjectStore other) => new(other, _keys);

    private static bool IsPlain(string key) => key == WalArchiveMarker.Key;

    private static async IAsyncEnumerable<ObjectEntry> Named(IAsyncEnumerable<ObjectEntry> entries, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in entries.WithCancellation(cancellationToken).ConfigureAwait(false))
            yield return entry.Key.EndsWith(EncryptedFormat.Extension, StringComparison.Ordinal) ? entry with { Key = entry.Key[..^EncryptedFormat.Extension.Length] } : entry;
    }

    /// <summary>Gathers chunks. The last one carries its mark, so it goes out when the end is known.</summary>
    private sealed class Writer(IObjectWriter inner, EncryptedFormat format) : IObjectWriter
    {
        private readonly byte[] _plain = ArrayPool<byte>.Shared.Rent(EncryptedFormat.ChunkBytes);
        private readonly byte[] _stored = ArrayPool<byte>.Shared.Rent(EncryptedFormat.ChunkBytes + EncryptedFormat.TagBytes);
        private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private int _length;
        private long _storedBytes;
        private bool _isDisposed;

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            while (!bytes.IsEmpty)
            {
                if (_length == EncryptedFormat.ChunkBytes)
                    await SealAsync(isLast: false, cancellationToken).ConfigureAwait(false);
                var count = Math.Min(bytes.Length, EncryptedFormat.ChunkBytes - _length);
                bytes.Span[..count].CopyTo(_plain.AsSpan(_length));
                _length += count;
                bytes = bytes[count..];
            }
        }

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            await SealAsync(isLast: true, cancellationToken).ConfigureAwait(false);
            return await inner.CommitAsync(content with { StoredBytes = _storedBytes, StoredSha256 = Convert.ToHexStringLower(_sha256.GetHashAndReset()) }, cancellationToken).ConfigureAwait(false);
        }

        public async ValueTask DisposeAsync()
        {
            await inner.DisposeAsync().ConfigureAwait(false);
            if (_isDisposed)
                return;
            _isDisposed = true;
            format.Dispose();
            _sha256.Dispose();
            ArrayPool<byte>.Shared.Return(_plain, clearArray: true);
            ArrayPool<byte>.Shared.Return(_stored);
        }

        private async ValueTask SealAsync(bool isLast, CancellationToken cancellationToken)
        {
            if (_storedBytes == 0)
                await PassOnAsync(format.Header, cancellationToken).ConfigureAwait(false);
            format.Seal(_plain.AsSpan(0, _length), _stored, isLast);
            await PassOnAsync(_stored.AsMemory(0, _length + EncryptedFormat.TagBytes), cancellationToken).ConfigureAwait(false);
            _length = 0;
        }

        private async ValueTask PassOnAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            // Of what the store inside gets: it compares that with what has arrived.
            _sha256.AppendData(bytes.Span);
            await inner.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
            _storedBytes += bytes.Length;
        }
    }
}
