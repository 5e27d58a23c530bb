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

/// <summary>PostgreSQL's encoding names and the .NET encodings that read them.</summary>
internal static class ArchiveEncodings
{
    /// <summary>UTF-8 that refuses invalid bytes: silently replaced characters would change somebody's SQL.</summary>
    public static Encoding Utf8 { get; } = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The encoding for a name as in <c>SET client_encoding</c>; Latin-1, which keeps every byte, where .NET has none.</summary>
    public static Encoding Of(string name)
    {
        if (name is "UTF8" or "UNICODE")
            return Utf8;
        return CodePageOf(name) is { } codePage ? Strict(codePage) : Encoding.Latin1;
    }

    /// <summary>Whether nobody can decode it: its bytes stand one by one in .NET text.</summary>
    public static bool IsRaw(string name) => name is not ("UTF8" or "UNICODE" or "LATIN1") && CodePageOf(name) is null;

    private static Encoding Strict(string name)
    {
        var provider = CodePagesEncodingProvider.Instance;
        return provider.GetEncoding(name, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback) ?? Encoding.Latin1;
    }

    // SQL_ASCII, MULE_INTERNAL, EUC_TW, EUC_JIS_2004 and LATIN6, 8 and 10 have no counterpart.
    private static string? CodePageOf(string name) => name switch
    {
        "LATIN2" => "iso-8859-2",
        "LATIN3" => "iso-8859-3",
        "LATIN4" => "iso-8859-4",
        "LATIN5" => "iso-8859-9",
        "LATIN7" => "iso-8859-13",
        "LATIN9" => "iso-8859-15",
        "ISO_8859_5" => "iso-8859-5",
        "ISO_8859_6" => "iso-8859-6",
        "ISO_8859_7" => "iso-8859-7",
        "ISO_8859_8" => "iso-8859-8",
        "WIN866" => "ibm866",
        "WIN874" => "windows-874",
        "WIN1250" => "windows-1250",
        "WIN1251" => "windows-1251",
        "WIN1252" => "windows-1252",
        "WIN1253" => "windows-1253",
        "WIN1254" => "windows-1254",
        "WIN1255" => "windows-1255",
        "WIN1256" => "windows-1256",
        "WIN1257" => "windows-1257",
        "WIN1258" => "windows-1258",
        "KOI8R" => "koi8-r",
        "KOI8U" => "koi8-u",
        "EUC_JP" => "euc-jp",
        "EUC_KR" => "euc-kr",
        "EUC_CN" => "gb2312",
        "BIG5" => "big5",
        "GBK" => "gbk",
        "GB18030" => "gb18030",
        "SJIS" => "shift_jis",
        "UHC" => "ks_c_5601-1987",
        _ => null,
    };
}
