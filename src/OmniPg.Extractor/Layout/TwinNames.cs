namespace OmniPg.Extractor.Layout;

/// <summary>Keeps apart paths that a case-insensitive file system would take for one.</summary>
/// <remarks>
/// The lower-case one of a set of twins keeps its plain name; each of the others gets a suffix from its own identity, so the name of a file
/// depends on which objects exist and never on their order.
/// </remarks>
internal static class TwinNames
{
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
            var final = members.Count > 1 && FileNameRules.HasUpperCase(path) ? path + FileNameRules.TwinSuffix(identity) : path;
            // Six equal digits of two hashes: astronomically rare, and still not allowed to lose a file.
            if (!taken.Add(final.ToLowerInvariant()))
                taken.Add(final = path + FileNameRules.TwinSuffix(identity, 16));
            result[path] = final;
        }
    }
}
