using System.Runtime.CompilerServices;

namespace OmniPg.Wal;

/// <summary>What an archive knows of segments that its archiver has given up because too much waited (<see cref="WalArchiveOptions.QueueLimit"/>): an object <c>dropped/NAME.json</c> for each.</summary>
internal static class DroppedWal
{
    private const string Folder = "dropped/";
    private const string Extension = ".json";

    /// <summary>The key of a segment's record.</summary>
    public static string KeyOf(WalFileName segment) => $"{Folder}{segment}{Extension}";

    /// <summary>The segment of a record, encrypted or not; null for any other object.</summary>
    public static WalFileName? SegmentOf(string key)
    {
        var plain = EncryptedNames.Plain(key);
        return plain.StartsWith(Folder, StringComparison.Ordinal) && plain.EndsWith(Extension, StringComparison.Ordinal)
            && WalFileName.TryParse(plain.AsSpan()[Folder.Length..^Extension.Length], out var name) && name.Kind == WalFileKind.Segment ? name : null;
    }

    /// <summary>The segments that were given up.</summary>
    public static async IAsyncEnumerable<WalFileName> ListAsync(IObjectStore archive, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in archive.ListAsync(Folder, WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (SegmentOf(entry.Key) is { } name)
                yield return name;
        }
    }
}
