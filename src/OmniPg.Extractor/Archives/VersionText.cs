namespace OmniPg.Extractor;

/// <summary>The numbers at the start of a version text: <c>15.18 (Debian 15.18-0+deb12u1)</c> gives <c>15.18</c>.</summary>
internal static class VersionText
{
    public static string Short(string text)
    {
        var end = text.IndexOf(' ', StringComparison.Ordinal);
        return end < 0 ? text : text[..end];
    }

    /// <summary>The major, for example 15 for <c>15.18 (Debian …)</c>; 9 before 10.</summary>
    public static int? Major(string text)
    {
        var digits = text.AsSpan().TrimStart();
        var length = 0;
        while (length < digits.Length && char.IsAsciiDigit(digits[length]))
            length++;
        return int.TryParse(digits[..length], out var major) ? major : null;
    }
}
