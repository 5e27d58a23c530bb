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
}
