namespace OmniPg.Wal;

/// <summary>What is known of an object before its first byte.</summary>
public sealed record WalObjectInfo
{
    /// <summary>Modification time to keep with the object, as <c>rsync -t</c> did; <see langword="null"/> (default) lets the store choose.</summary>
    public DateTimeOffset? Modified { get; init; }

    /// <summary>Size of the uncompressed content in bytes, or <see langword="null"/> when it is not known.</summary>
    public long? RawBytes { get; init; }
}
