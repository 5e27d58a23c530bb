using System.Buffers;

namespace OmniPg.Wal;

/// <summary>Reads content that goes nowhere, only to know whether it is right.</summary>
internal static class ContentCheck
{
    private const int BufferBytes = 256 * 1024;

    /// <exception cref="WalValidationException">The content is wrong.</exception>
    public static async Task<WalValidationResult> RunAsync(
        Stream content, WalFileName name, WalValidation level, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var validator = new WalSegmentValidator(name, level, expectations);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                validator.Append(buffer.AsSpan(0, read));
            return validator.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Looks for a copy of a WAL file whose content is valid to the last record, under all keys that an archive may give it.</summary>
    /// <param name="store">The archive.</param>
    /// <param name="name">The file.</param>
    /// <param name="preferred">The codec whose keys are asked for first.</param>
    /// <param name="expectations">What its content must be.</param>
    /// <param name="passedOver">Told of a copy that is not valid, and why; null tells nobody.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Its key; null when there is none.</returns>
    /// <exception cref="WalEncryptionException">It is there encrypted, and its key was not given.</exception>
    public static async Task<string?> FindValidAsync(
        IObjectStore store, WalFileName name, Codec preferred, WalExpectations expectations, Action<string, Exception>? passedOver, CancellationToken cancellationToken)
    {
        foreach (var key in ArchiveKeys.For(name, preferred))
        {
            try
            {
                var content = await WalContent.OpenReadAsync(store, key, cancellationToken).ConfigureAwait(false);
                if (content is null)
                    continue;
                await using (content.ConfigureAwait(false))
                    await RunAsync(content, name, WalValidation.Full, expectations, cancellationToken).ConfigureAwait(false);
                return key;
            }
            catch (Exception unusable) when (unusable is WalValidationException or CorruptCompressedDataException)
            {
                // Another copy under another key may be good.
                passedOver?.Invoke(key, unusable);
            }
        }

        await EncryptedNames.RequireNoneAsync(store, name, cancellationToken).ConfigureAwait(false);
        return null;
    }
}
