using System.Buffers;

namespace OmniPg.Extractor.Archives.Reading;

/// <summary>File names that a directory archive's table of contents or large-object list gives: they must stay in that directory.</summary>
internal static class DirectoryFileName
{
    private static readonly SearchValues<char> Forbidden = SearchValues.Create("/\\:\0\r\n");

    public static string Check(string name, ArchiveLocation location)
    {
        var isPlain = name.Length is > 0 and <= 255 && !name.AsSpan().ContainsAny(Forbidden) && name is not ("." or "..");
        return isPlain ? name : throw new ArchiveFormatException(location, "the file name is not a plain name within the archive's directory");
    }
}
