namespace OmniPg.Extractor.Composing;

/// <summary>Major version in a version text of an archive's header.</summary>
internal static class DumpMajor
{
    /// <summary>The major, for example 15 for <c>15.18 (Debian …)</c>; the newest known when the text holds none; 9 before 10.</summary>
    public static int Of(string versionText)
    {
        var digits = versionText.AsSpan().TrimStart();
        var length = 0;
        while (length < digits.Length && char.IsAsciiDigit(digits[length]))
            length++;
        return int.TryParse(digits[..length], out var major) ? major : int.MaxValue;
    }
}
