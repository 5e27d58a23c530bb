namespace OmniPg.Extractor.Ordering;

/// <summary>Orders entries so that each comes after what it needs and ties are broken by names only (Kahn's algorithm).</summary>
internal static class EntryOrder
{
    /// <param name="entries">Entries in archive order.</param>
    /// <param name="warn">Told about cycles, whose members keep their archive order.</param>
    public static IReadOnlyList<TocEntry> Sort(IReadOnlyList<TocEntry> entries, Action<string> warn)
    {
        var byId = new Dictionary<int, TocEntry>();
        foreach (var entry in entries)
            byId[entry.DumpId] = entry;
        var attached = entries.Where(IsAnnotation).ToLookup(entry => ParentOf(entry, byId));
        var main = entries.Where(entry => !IsAnnotation(entry) || ParentOf(entry, byId) == 0).ToList();
        var result = new List<TocEntry>(entries.Count);
        foreach (var entry in SortMain(main, warn))
        {
            result.Add(entry);
            AddAnnotations(entry, attached, result);
        }
        return result;
    }

    // Comments and labels follow their object at once; they have no place of their own.
    private static bool IsAnnotation(TocEntry entry) => entry.Kind is TocKind.Comment or TocKind.SecurityLabel;

    private static int ParentOf(TocEntry entry, Dictionary<int, TocEntry> byId)
    {
        foreach (var id in entry.Dependencies)
        {
            if (byId.TryGetValue(id, out var parent) && !IsAnnotation(parent) && parent.Pass == entry.Pass)
                return id;
        }
        return 0;
    }

    private static void AddAnnotations(TocEntry parent, ILookup<int, TocEntry> attached, List<TocEntry> result) =>
        result.AddRange(attached[parent.DumpId].OrderBy(static entry => new EntrySortKey(entry)));

    private static IEnumerable<TocEntry> SortMain(List<TocEntry> entries, Action<string> warn)
    {
        var waiting = new Dictionary<int, int>();
        var dependants = new Dictionary<int, List<TocEntry>>();
        var byId = entries.ToDictionary(static entry => entry.DumpId);
        var ready = new PriorityQueue<TocEntry, EntrySortKey>();
        foreach (var entry in entries)
        {
            var needs = entry.Dependencies.Distinct().Where(id => id != entry.DumpId && byId.ContainsKey(id)).ToList();
            waiting[entry.DumpId] = needs.Count;
            foreach (var id in needs)
            {
                if (!dependants.TryGetValue(id, out var list))
                    dependants.Add(id, list = []);
                list.Add(entry);
            }
            if (needs.Count == 0)
                ready.Enqueue(entry, new EntrySortKey(entry));
        }
        // In archive order: where a cycle stops the work, its first member goes on as the archive had it.
        var stuck = new Queue<TocEntry>(entries);
        while (true)
        {
            while (ready.TryDequeue(out var entry, out _))
            {
                waiting[entry.DumpId] = -1;
                yield return entry;
                Release(entry, waiting, dependants, ready);
            }
            while (stuck.TryPeek(out var first) && waiting[first.DumpId] < 0)
                stuck.Dequeue();
            if (!stuck.TryDequeue(out var member))
                yield break;
            warn($"The archive's dependencies form a cycle at '{member.Desc} {member.Tag}'; archive order is kept there.");
            ready.Enqueue(member, new EntrySortKey(member));
        }
    }

    private static void Release(TocEntry entry, Dictionary<int, int> waiting, Dictionary<int, List<TocEntry>> dependants,
        PriorityQueue<TocEntry, EntrySortKey> ready)
    {
        foreach (var dependant in dependants.GetValueOrDefault(entry.DumpId) ?? [])
        {
            if (waiting[dependant.DumpId] > 0 && --waiting[dependant.DumpId] == 0)
                ready.Enqueue(dependant, new EntrySortKey(dependant));
        }
    }
}
