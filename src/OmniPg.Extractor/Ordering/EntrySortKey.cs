namespace OmniPg.Extractor.Ordering;

/// <summary>Place of an entry among those that may come next; ordinal, hence the same on every machine.</summary>
internal readonly record struct EntrySortKey(TocEntry Entry) : IComparable<EntrySortKey>
{
    public int CompareTo(EntrySortKey other)
    {
        var (a, b) = (Entry, other.Entry);
        var order = a.Pass.CompareTo(b.Pass);
        if (order == 0)
            order = SectionRank(a).CompareTo(SectionRank(b));
        if (order == 0)
            order = KindRank.Of(a.Kind).CompareTo(KindRank.Of(b.Kind));
        if (order == 0)
            order = string.CompareOrdinal(a.Namespace, b.Namespace);
        if (order == 0)
            order = string.CompareOrdinal(a.Tag, b.Tag);
        if (order == 0)
            order = string.CompareOrdinal(a.Definition, b.Definition);
        return order == 0 ? a.Index.CompareTo(b.Index) : order;
    }

    // Entries of no section are grants, placed by their pass, or unknown ones.
    private static int SectionRank(TocEntry entry) => entry.Section == TocSection.None ? (int)TocSection.PostData : (int)entry.Section;
}
