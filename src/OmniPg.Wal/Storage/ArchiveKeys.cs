namespace OmniPg.Wal;

/// <summary>All keys under which an archive of either layout may hold a WAL file.</summary>
internal static class ArchiveKeys
{
    /// <summary>The keys of the flat layout, then those of the sharded one; in each the extension of the preferred codec comes first.</summary>
    public static IEnumerable<string> For(WalFileName name, Codec preferred)
    {
        var flat = WalObjectKey.For(name, WalLayout.Flat, preferred);
        yield return flat;
        foreach (var (key, _) in WalObjectKey.Candidates(name, WalLayout.Flat))
        {
            if (key != flat)
                yield return key;
        }

        // Timeline and backup histories lie in the root of both layouts.
        if (name.Kind is not (WalFileKind.Segment or WalFileKind.Partial))
            yield break;
        foreach (var (key, _) in WalObjectKey.Candidates(name, WalLayout.Sharded))
            yield return key;
    }
}
