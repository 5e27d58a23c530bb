namespace OmniPg;

/// <summary>A codec's program is missing on this machine. Code <c>compression.unavailable</c>.</summary>
public sealed class CodecUnavailableException : OmniPgException
{
    /// <summary>Creates the error.</summary>
    /// <param name="codec">Name of the codec.</param>
    /// <param name="missing">The program that was looked for.</param>
    /// <param name="hint">The package that brings it.</param>
    public CodecUnavailableException(string codec, string missing, string hint)
        : base("compression.unavailable", $"Codec '{codec}' needs '{missing}', which is not on this machine.", hint)
    {
        Codec = codec;
        Missing = missing;
    }

    /// <summary>Name of the codec, such as <c>zstd</c>.</summary>
    public string Codec { get; }

    /// <summary>The program that was looked for, such as <c>xz</c>.</summary>
    public string Missing { get; }
}
