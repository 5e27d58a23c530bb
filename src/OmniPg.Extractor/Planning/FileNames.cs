using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>What an encoded name must still obey to exist on every file system: length, reserved names, twins by letter case.</summary>
internal static class FileNames
{
    public const int MaximumBytes = 200;
    private const int KeptBytes = 180;

    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "CON", "PRN", "AUX", "NUL",
        "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
        "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
    };

    /// <summary>Applies the length and reserved-name rules to one path component without its extension.</summary>
    public static string Apply(string encoded) => Shorten(Unreserve(encoded.Length == 0 ? "~" : encoded));

    /// <summary>Whether a name can have a twin that differs only by case: it then carries a suffix when such a twin exists.</summary>
    public static bool HasUpperCase(string component) => component.Any(char.IsUpper);

    /// <summary>Six (or more) hexadecimal digits that depend only on the object's identity.</summary>
    public static string TwinSuffix(string identity, int digits = 6) => "~" + Hash(identity)[..digits];

    // Windows reserves CON.anything as well, hence the first part decides.
    private static string Unreserve(string component)
    {
        var dot = component.IndexOf('.', StringComparison.Ordinal);
        var first = dot < 0 ? component : component[..dot];
        return Reserved.Contains(first) ? first + "~" + component[first.Length..] : component;
    }

    private static string Shorten(string component)
    {
        if (Encoding.UTF8.GetByteCount(component) <= MaximumBytes)
            return component;
        var bytes = 0;
        var characters = 0;
        foreach (var rune in component.EnumerateRunes())
        {
            if (bytes + rune.Utf8SequenceLength > KeptBytes)
                break;
            bytes += rune.Utf8SequenceLength;
            characters += rune.Utf16SequenceLength;
        }
        return component[..characters] + "~" + Hash(component)[..16];
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>Keeps apart paths that a case-insensitive file system would take for one.</summary>
    /// <remarks>
    /// The lower-case one of a set of twins keeps its plain name; each of the others gets a suffix from its own identity, so the name of a file
    /// depends on which objects exist and never on their order.
    /// </remarks>
    /// <param name="files">Distinct (path without extension, identity) pairs; several identities may share one path on purpose.</param>
    /// <returns>The final path without extension for every path given.</returns>
    public static Dictionary<string, string> Resolve(IEnumerable<(string Path, string Identity)> files)
    {
        var groups = new Dictionary<string, SortedDictionary<string, string>>(StringComparer.Ordinal);
        foreach (var (path, identity) in files)
        {
            var folded = path.ToLowerInvariant();
            if (!groups.TryGetValue(folded, out var members))
                groups.Add(folded, members = new SortedDictionary<string, string>(StringComparer.Ordinal));
            if (!members.TryGetValue(path, out var known) || string.CompareOrdinal(identity, known) < 0)
                members[path] = identity;
        }
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var members in groups.Values)
            Settle(members, result);
        return result;
    }

    private static void Settle(SortedDictionary<string, string> members, Dictionary<string, string> result)
    {
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (path, identity) in members)
        {
            var final = members.Count > 1 && HasUpperCase(path) ? path + TwinSuffix(identity) : path;
            // Six equal digits of two hashes: astronomically rare, and still not allowed to lose a file.
            if (!taken.Add(final.ToLowerInvariant()))
                taken.Add(final = path + TwinSuffix(identity, 16));
            result[path] = final;
        }
    }
}
