using System.Buffers.Binary;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Opens archived files for reading their uncompressed content, decoded by their first bytes and not by what somebody configured.</summary>
public static class WalContent
{
    private const int MagicBytes = 18;

    /// <summary>Opens one file of a store.</summary>
    /// <param name="store">A readable store.</param>
    /// <param name="key">Key of the file. Its extension counts only for brotli and lzma, which have no magic.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The content, to be disposed; <see langword="null"/> when the store proves that the key is absent.</returns>
    /// <exception cref="WalEncryptionException">It is encrypted: open it through an <see cref="EncryptedObjectStore"/> that has its key.</exception>
    /// <exception cref="CodecUnavailableException">The program of its codec is missing.</exception>
    /// <exception cref="IOException">The store cannot say whether the file is there, or not read it.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not read it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <remarks>Reading the stream throws <see cref="CorruptCompressedDataException"/> for a damaged or truncated file.</remarks>
    public static async Task<Stream?> OpenReadAsync(IObjectStore store, string key, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        var stored = await store.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        return stored is null ? null : await DecodeAsync(stored, store.Id, key, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The content of a file that is open already. Owns the stream.</summary>
    internal static async Task<Stream> DecodeAsync(Stream stored, string storeId, string key, CancellationToken cancellationToken)
    {
        try
        {
            var magic = new byte[MagicBytes];
            var length = await stored.ReadAtLeastAsync(magic, magic.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            var head = magic.AsMemory(0, length);
            if (EncryptedFormat.Matches(head.Span))
                throw WalEncryptionException.NoKey(storeId, key);
            return CodecOf(head.Span, key).Decompress(new RejoinedStream(head, stored));
        }
        catch
        {
            await stored.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static Codec CodecOf(ReadOnlySpan<byte> head, string key) =>
        Codec.Detect(head) ?? (IsPlainSegment(head) ? Codec.None : Codec.ForExtension(key)) ?? Codec.None;

    // The long header flag stands on the first page of every segment, so these four bytes tell WAL from brotli and lzma, which have no magic.
    private static bool IsPlainSegment(ReadOnlySpan<byte> head) =>
        head.Length >= 2 * sizeof(ushort)
        && PgMajor.OfMagic(BinaryPrimitives.ReadUInt16LittleEndian(head)) is { } major
        && (BinaryPrimitives.ReadUInt16LittleEndian(head[sizeof(ushort)..]) & ~major.PageFlags) == 0
        && (head[sizeof(ushort)] & PgMajor.LongHeader) != 0;

    /// <summary>A stream whose first bytes were read ahead: yields them again, then the rest. Owns the rest.</summary>
    private sealed class RejoinedStream(ReadOnlyMemory<byte> head, Stream rest) : ReadOnlyStream
    {
        private ReadOnlyMemory<byte> _head = head;

        public override int Read(Span<byte> buffer) => _head.IsEmpty ? rest.Read(buffer) : TakeHead(buffer);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            _head.IsEmpty ? rest.ReadAsync(buffer, cancellationToken) : ValueTask.FromResult(TakeHead(buffer.Span));

        public override async ValueTask DisposeAsync()
        {
            await rest.DisposeAsync().ConfigureAwait(false);
            await base.DisposeAsync().ConfigureAwait(false);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                rest.Dispose();
            base.Dispose(disposing);
        }

        private int TakeHead(Span<byte> buffer)
        {
            var taken = Math.Min(_head.Length, buffer.Length);
            _head.Span[..taken].CopyTo(buffer);
            _head = _head[taken..];
            return taken;
        }
    }
}
