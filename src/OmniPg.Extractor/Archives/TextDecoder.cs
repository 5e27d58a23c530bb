using System.Text;

namespace OmniPg.Extractor;

/// <summary>Turns the archive's bytes into strings; short repeated ones (types, schemas, owners) become one shared string.</summary>
internal sealed class TextDecoder
{
    private const int SharedLimit = 48;
    private readonly string[] _shared = new string[2048];

    public Encoding Encoding { get; set; } = ArchiveEncodings.Utf8;

    public string? Decode(ArchiveText text, string field, int? entryIndex)
    {
        if (text.IsNull)
            return null;
        try
        {
            return Encoding.GetString(text.Bytes);
        }
        catch (DecoderFallbackException error)
        {
            var location = new ArchiveLocation(text.Offset + Math.Max(error.Index, 0), entryIndex, field);
            throw new ArchiveFormatException(location, $"the text is not valid in the archive's encoding '{Encoding.WebName}'", error);
        }
    }

    public string? DecodeShared(ArchiveText text, string field, int? entryIndex)
    {
        if (text.IsNull || text.Bytes.Length > SharedLimit)
            return Decode(text, field, entryIndex);
        if (text.Bytes.IsEmpty)
            return "";
        ref var slot = ref _shared[Hash(text.Bytes) % (uint)_shared.Length];
        if (slot is not null && Ascii.Equals(text.Bytes, slot))
            return slot;
        return slot = Decode(text, field, entryIndex)!;
    }

    // A direct-mapped cache: a collision costs one allocation, never a wrong answer, so a cheap hash is enough.
    private static uint Hash(ReadOnlySpan<byte> bytes)
    {
        var hash = 2166136261u;
        foreach (var b in bytes)
            hash = (hash ^ b) * 16777619u;
        return hash ^ (hash >> 15);
    }
}
