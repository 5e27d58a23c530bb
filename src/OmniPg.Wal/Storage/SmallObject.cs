namespace OmniPg.Wal;

/// <summary>Objects that are held in memory: entries, marks, records.</summary>
internal static class SmallObject
{
    /// <summary>Writes one that is not there yet.</summary>
    /// <exception cref="WalDestinationException">The store did not take it.</exception>
    public static async Task<ObjectCommitResult> WriteAsync(IObjectStore store, string key, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        try
        {
            var writer = await store.CreateAsync(key, new ObjectInfo { RawBytes = content.Length }, cancellationToken).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                await writer.WriteAsync(content, cancellationToken).ConfigureAwait(false);
                return await writer.CommitAsync(ObjectContent.Of(content.Span), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDestinationException.Failed(store.Id, key, refused);
        }
    }
}
