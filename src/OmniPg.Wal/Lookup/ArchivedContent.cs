using OmniPg.Compression;

namespace OmniPg.Wal;

/// <summary>Opens an archived file for reading its uncompressed content, decoded by its first bytes and not by what somebody configured.</summary>
internal static class ArchivedContent
{
    private const int MagicBytes = 18;

    /// <returns>The content, or null when the store proves that the key is absent.</returns>
    /// <exception cref="CodecUnavailableException">The library or program of its codec is missing.</exception>
    public static async Task<Stream?> OpenAsync(IWalStore store, string key, CancellationToken cancellationToken)
    {
        var stored = await store.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        if (stored is null)
            return null;
        try
        {
            var magic = new byte[MagicBytes];
            var length = await stored.ReadAtLeastAsync(magic, magic.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            var head = magic.AsMemory(0, length);
            // Brotli and lzma have no magic: their extension has to be believed.
            var codec = Codec.Detect(head.Span) ?? Codec.ForExtension(key) ?? Codec.None;
            return codec.Decompress(new RejoinedStream(head, stored));
        }
        catch
        {
            await stored.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
