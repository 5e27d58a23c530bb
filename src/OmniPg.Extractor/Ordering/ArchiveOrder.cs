using System.Globalization;
using System.Text.RegularExpressions;

namespace OmniPg.Extractor.Ordering;

/// <summary>Whether the order of an archive depends on nothing but names.</summary>
/// <remarks>
/// pg_dump breaks ties by OID unless it is at least the minor release named here; a tree from an older one is ordered anew, so that it does not
/// depend on the history of the database.
/// </remarks>
internal static class ArchiveOrder
{
    private static readonly Dictionary<int, int> FirstStableMinor = new() { [13] = 23, [14] = 20, [15] = 15, [16] = 11, [17] = 7, [18] = 1 };

    public static bool IsStable(string dumpVersion)
    {
        var match = Regex.Match(dumpVersion, @"^(\d{1,4})(?:\.(\d{1,4}))?", RegexOptions.None, TimeSpan.FromSeconds(1));
        if (!match.Success)
            return false;
        var major = int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        // Before its release a major has no minor: 19rc1, 20devel.
        var minor = match.Groups[2].Success ? int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture) : 0;
        return major > 18 || (FirstStableMinor.TryGetValue(major, out var first) && minor >= first);
    }
}
