namespace OmniPg.Extractor.Extraction;

/// <summary>The numbers at the start of a version text: <c>15.18 (Debian 15.18-0+deb12u1)</c> gives <c>15.18</c>.</summary>
internal static class VersionText
{
    public static string Short(string text)
    {
        var end = text.IndexOf(' ', StringComparison.Ordinal);
        return end < 0 ? text : text[..end];
    }

    public static int Major(string text)
    {
        var digits = 0;
        while (digits < text.Length && char.IsAsciiDigit(text[digits]))
            digits++;
        return int.TryParse(text.AsSpan(0, digits), out var major) ? major : 0;
    }
}
