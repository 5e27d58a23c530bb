using System.Security.Cryptography;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Compares copies of a segment that is still being received: the one made later holds more of the same WAL.</summary>
internal static class PartialState
{
    private const int BufferBytes = 128 << 10;

    /// <summary>Whether the valid WAL of one is the beginning of that of the other. What lies behind the last whole record is still being written and counts for nothing.</summary>
    public static async Task<bool> IsSameWalAsync((IObjectStore Store, string Key) one, (IObjectStore Store, string Key) two, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken)
    {
        if (await ValidBytesAsync(one, name, expectations, cancellationToken).ConfigureAwait(false) is not { } first || await ValidBytesAsync(two, name, expectations, cancellationToken).ConfigureAwait(false) is not { } second)
            return false;
        var common = Math.Min(first, second);
        return common > 0 && await BeginningAsync(one, common, cancellationToken).ConfigureAwait(false) is { } beginning
            && beginning == await BeginningAsync(two, common, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Where the last whole record ends.</summary>
    /// <returns>Null when it is not there, or cannot be read as WAL of the cluster.</returns>
    public static async Task<NpgsqlLogSequenceNumber?> EndAsync((IObjectStore Store, string Key) file, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken) =>
        await ValidAsync(file, name, expectations, cancellationToken).ConfigureAwait(false) is { } valid ? valid.EndOfValid : null;

    private static async Task<long?> ValidBytesAsync((IObjectStore Store, string Key) file, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken) =>
        await ValidAsync(file, name, expectations, cancellationToken).ConfigureAwait(false) is { } valid
            ? (long)((ulong)valid.EndOfValid - (ulong)name.StartLsn(WalSegmentSize.FromBytes(valid.SegmentSize))) : null;

    private static async Task<WalValidationResult?> ValidAsync((IObjectStore Store, string Key) file, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken)
    {
        try
        {
            if (await OpenAsync(file, cancellationToken).ConfigureAwait(false) is not { } content)
                return null;
            await using var closing = content.ConfigureAwait(false);
            return await ContentCheck.RunAsync(content, name, WalValidation.Full, expectations, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception unreadable) when (unreadable is WalValidationException or CorruptCompressedDataException or WalEncryptionException)
        {
            return null;
        }
    }

    /// <returns>SHA-256 of the first bytes; null when it is not there any more.</returns>
    private static async Task<string?> BeginningAsync((IObjectStore Store, string Key) file, long length, CancellationToken cancellationToken)
    {
        if (await OpenAsync(file, cancellationToken).ConfigureAwait(false) is not { } content)
            return null;
        await using var closing = content.ConfigureAwait(false);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BufferBytes];
        for (int count; length > 0 && (count = await content.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, length)), cancellationToken).ConfigureAwait(false)) > 0; length -= count)
            hash.AppendData(buffer, 0, count);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static Task<Stream?> OpenAsync((IObjectStore Store, string Key) file, CancellationToken cancellationToken) =>
        WalContent.OpenReadAsync(file.Store, EncryptedNames.Plain(file.Key), cancellationToken);
}
