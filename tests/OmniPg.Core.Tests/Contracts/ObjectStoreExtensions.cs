namespace OmniPg.Testing;

/// <summary>Whole objects in one call.</summary>
internal static class ObjectStoreExtensions
{
    public static async Task<ObjectCommitResult> PutAsync(
        this IObjectStore store, string key, byte[] bytes, CancellationToken cancellationToken, DateTimeOffset? modified = null)
    {
        await using var writer = await store.CreateAsync(key, new ObjectInfo { Modified = modified, RawBytes = bytes.Length }, cancellationToken);
        await writer.WriteAsync(bytes, cancellationToken);
        return await writer.CommitAsync(ObjectContent.Of(bytes), cancellationToken);
    }

    public static async Task<byte[]> ReadAllAsync(this IObjectStore store, string key, CancellationToken cancellationToken)
    {
        await using var stream = await store.OpenReadAsync(key, cancellationToken) ?? throw new InvalidOperationException($"'{key}' is absent.");
        using var target = new MemoryStream();
        await stream.CopyToAsync(target, cancellationToken);
        return target.ToArray();
    }
}
