namespace OmniPg.Wal;

/// <summary>Translates between WAL file names and the keys of stores.</summary>
public static class WalObjectKey
{
    // Folders of a key of the sharded layout. What lies deeper below an archive is somebody else's, readable or not: a base backup, the snapshots of a disk.
    internal const int Depth = 1;

    private const int ShardDigits = 16;

    /// <summary>The key under which a file is stored.</summary>
    /// <param name="name">The WAL file.</param>
    /// <param name="layout">Arrangement of the archive.</param>
    /// <param name="codec">The destination's codec.</param>
    /// <returns>Such as <c>0000000100000000/000000010000000000000001.zst</c>.</returns>
    public static string For(WalFileName name, WalLayout layout, Codec codec)
    {
        ArgumentNullException.ThrowIfNull(codec);
        return Folder(name, layout) + name + CodecFor(name, layout, codec).Extension;
    }

    /// <summary>The codec that a file is really stored with: text files stay plain in a sharded archive.</summary>
    /// <param name="name">The WAL file.</param>
    /// <param name="layout">Arrangement of the archive.</param>
    /// <param name="codec">The destination's codec.</param>
    /// <returns><paramref name="codec"/> or <see cref="Codec.None"/>.</returns>
    public static Codec CodecFor(WalFileName name, WalLayout layout, Codec codec) =>
        layout == WalLayout.Sharded && !IsSegment(name) ? Codec.None : codec;

    /// <summary>Every key under which a file may lie in an archive of that arrangement: plain first, then each codec's extension.</summary>
    /// <param name="name">The WAL file.</param>
    /// <param name="layout">Arrangement of the archive.</param>
    /// <returns>Pairs of key and codec. The codec is that of the extension; the content's magic decides over it.</returns>
    public static IEnumerable<(string Key, Codec Codec)> Candidates(WalFileName name, WalLayout layout)
    {
        var plain = Folder(name, layout) + name;
        return Codec.All.Select(codec => (plain + codec.Extension, codec));
    }

    /// <summary>Reads a key of either arrangement.</summary>
    /// <param name="key">A key as <see cref="IObjectStore.ListAsync(string, CancellationToken)"/> yields it.</param>
    /// <param name="name">The WAL file.</param>
    /// <param name="codec">The codec of its extension.</param>
    /// <returns>Whether the last part of the key is a WAL file name, with or without a codec's extension and that of encryption.</returns>
    public static bool TryParse(string key, out WalFileName name, out Codec codec)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.EndsWith(EncryptedFormat.Extension, StringComparison.Ordinal))
            key = key[..^EncryptedFormat.Extension.Length];
        var file = key.AsSpan(key.LastIndexOf('/') + 1);
        codec = Codec.ForExtension(key) ?? Codec.None;
        return WalFileName.TryParse(file[..^codec.Extension.Length], out name);
    }

    private static string Folder(WalFileName name, WalLayout layout) =>
        layout == WalLayout.Sharded && IsSegment(name) ? $"{name.ToString().AsSpan(0, ShardDigits)}/" : "";

    private static bool IsSegment(WalFileName name) => name.Kind is WalFileKind.Segment or WalFileKind.Partial;
}
