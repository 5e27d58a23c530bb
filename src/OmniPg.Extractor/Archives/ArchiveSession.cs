using System.Text;

namespace OmniPg.Extractor;

/// <summary>Session state that the archive's first entries set: encoding, string syntax and search path of all its SQL text.</summary>
public sealed record ArchiveSession
{
    /// <summary>PostgreSQL's name of the archive's encoding, for example <c>UTF8</c>; default <c>UTF8</c> when the archive names none.</summary>
    public string EncodingName { get; init; } = "UTF8";

    /// <summary>
    /// The .NET encoding the archive's text is decoded with. <c>SQL_ASCII</c> and encodings unknown to .NET map to Latin-1, which keeps every byte.
    /// </summary>
    public Encoding Encoding { get; init; } = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Value of <c>standard_conforming_strings</c>; default true.</summary>
    public bool StandardConformingStrings { get; init; } = true;

    /// <summary>Statement that sets the search path, with its line end; null in archives made before 9.6.8 and 10.3.</summary>
    public string? SearchPathStatement { get; init; }

    /// <summary>The state behind an entry: ENCODING, STDSTRINGS and SEARCHPATH change it.</summary>
    internal ArchiveSession After(TocEntry entry, ArchiveLocation location) => entry.Kind switch
    {
        TocKind.Encoding => WithEncoding(QuotedValue(entry, "SET client_encoding", location), entry, location),
        TocKind.StandardStrings => this with { StandardConformingStrings = QuotedValue(entry, "SET standard_conforming_strings", location) == "on" },
        TocKind.SearchPath => this with { SearchPathStatement = entry.Definition },
        _ => this,
    };

    // pg_dump always writes it first: an encoding that came later would not be that of the text before it.
    private ArchiveSession WithEncoding(string name, TocEntry entry, ArchiveLocation location)
    {
        var encoding = ArchiveEncodings.Of(name);
        if (entry.Index > 0 && encoding != ArchiveEncodings.Utf8)
            throw new ArchiveFormatException(location, $"the encoding '{name}' is set behind other entries");
        return this with { EncodingName = name, Encoding = encoding };
    }

    // The definition is: SET client_encoding = 'UTF8';
    private static string QuotedValue(TocEntry entry, string what, ArchiveLocation location)
    {
        var text = entry.Definition ?? "";
        var start = text.IndexOf('\'', StringComparison.Ordinal) + 1;
        var end = start > 0 ? text.IndexOf('\'', start) : -1;
        return end >= start && start > 0 && text.StartsWith(what, StringComparison.Ordinal)
            ? text[start..end]
            : throw new ArchiveFormatException(location with { Field = "defn" }, $"the entry '{entry.Desc}' holds no value in quotes");
    }
}
