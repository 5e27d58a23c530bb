namespace OmniPg.Extractor.Archives.Reading;

/// <summary>Takes the session state from the entries ENCODING, STDSTRINGS and SEARCHPATH.</summary>
internal static class SessionEntries
{
    public static ArchiveSession Apply(ArchiveSession session, TocEntry entry, ArchiveLocation location) => entry.Kind switch
    {
        TocKind.Encoding => WithEncoding(session, QuotedValue(entry, "SET client_encoding", location), entry, location),
        TocKind.StandardStrings => session with { StandardConformingStrings = QuotedValue(entry, "SET standard_conforming_strings", location) == "on" },
        TocKind.SearchPath => session with { SearchPathStatement = entry.Definition },
        _ => session,
    };

    // pg_dump always writes it first: an encoding that came later would not be that of the text before it.
    private static ArchiveSession WithEncoding(ArchiveSession session, string name, TocEntry entry, ArchiveLocation location)
    {
        var encoding = ArchiveEncodings.Of(name);
        if (entry.Index > 0 && encoding != ArchiveEncodings.Utf8)
            throw new ArchiveFormatException(location, $"the encoding '{name}' is set behind other entries");
        return session with { EncodingName = name, Encoding = encoding };
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
