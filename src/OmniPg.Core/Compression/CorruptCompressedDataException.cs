namespace OmniPg;

/// <summary>Compressed bytes are truncated, damaged or followed by bytes that do not belong to them. Code <c>compression.corrupt</c>.</summary>
public sealed class CorruptCompressedDataException : OmniPgException
{
    /// <summary>Creates the error.</summary>
    /// <param name="codec">Name of the codec that read the bytes.</param>
    /// <param name="reason">What was found, as the second half of a sentence.</param>
    /// <param name="innerException">The decoder's own error, if it threw one.</param>
    public CorruptCompressedDataException(string codec, string reason, Exception? innerException = null)
        : base("compression.corrupt", $"The '{codec}' data is corrupt: {reason}.", "Take another copy of the file; this one cannot be read whole.", innerException) =>
        Codec = codec;

    /// <summary>Name of the codec that read the bytes.</summary>
    public string Codec { get; }

    internal static CorruptCompressedDataException Truncated(string codec) => new(codec, "it ends in the middle of a frame");

    internal static CorruptCompressedDataException TrailingBytes(string codec) => new(codec, "bytes follow its end");
}
