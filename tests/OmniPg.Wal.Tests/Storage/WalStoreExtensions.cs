namespace OmniPg.Wal.Tests.Storage;

/// <summary>Whole objects in one call.</summary>
internal static class WalStoreExtensions
{
    public static async Task<WalCommitOutcome> PutAsync(
        this IWalStore store, string key, byte[] bytes, CancellationToken cancellationToken, DateTimeOffset? modified = null)
    {
        await using var writer = await store.CreateAsync(key, new WalObjectInfo { Modified = modified, RawBytes = bytes.Length }, cancellationToken);
        await writer.WriteAsync(bytes, cancellationToken);
        return await writer.CommitAsync(new WalObjectContent(new string('0', 64), bytes.Length, bytes.Length), cancellationToken);
    }

    public static async Task<byte[]> ReadAllAsync(this IWalStore store, string key, CancellationToken cancellationToken)
    {
        await using var stream = await store.OpenReadAsync(key, cancellationToken) ?? throw new InvalidOperationException($"'{key}' is absent.");
        using var target = new MemoryStream();
        await stream.CopyToAsync(target, cancellationToken);
        return target.ToArray();
    }
}
