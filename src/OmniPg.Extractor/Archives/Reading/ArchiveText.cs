namespace OmniPg.Extractor.Archives.Reading;

/// <summary>A text as it stands in the archive: bytes in the archive's encoding, or null (stored as length −1).</summary>
internal readonly ref struct ArchiveText(ReadOnlySpan<byte> bytes, bool isNull, long offset)
{
    public ReadOnlySpan<byte> Bytes { get; } = bytes;

    public bool IsNull { get; } = isNull;

    /// <summary>Offset of the first byte, for error messages.</summary>
    public long Offset { get; } = offset;
}
