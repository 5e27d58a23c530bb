using System.Globalization;
using System.Text.RegularExpressions;

namespace OmniPg.Extractor;

/// <summary>Orders entries so that each comes after what it needs and ties are broken by names only (Kahn's algorithm).</summary>
internal static class EntryOrder
{
    private static readonly Dictionary<int, int> FirstStableMinor = new() { [13] = 23, [14] = 20, [15] = 15, [16] = 11, [17] = 7, [18] = 1 };

    /// <summary>Whether the order of an archive depends on nothing but names.</summary>
    /// <remarks>
    /// pg_dump breaks ties by OID unless it is at least the minor release named here; a tree from an older one is ordered anew, so that it does not
    /// depend on the history of the database.
    /// </remarks>
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
        result.AddRange(attached[parent.DumpId].OrderBy(static entry => new SortKey(entry)));

    private static IEnumerable<TocEntry> SortMain(List<TocEntry> entries, Action<string> warn)
    {
        var waiting = new Dictionary<int, int>();
        var dependants = new Dictionary<int, List<TocEntry>>();
        var byId = entries.ToDictionary(static entry => entry.DumpId);
        var ready = new PriorityQueue<TocEntry, SortKey>();
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
                ready.Enqueue(entry, new SortKey(entry));
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
            ready.Enqueue(member, new SortKey(member));
        }
    }

    private static void Release(TocEntry entry, Dictionary<int, int> waiting, Dictionary<int, List<TocEntry>> dependants,
        PriorityQueue<TocEntry, SortKey> ready)
    {
        foreach (var dependant in dependants.GetValueOrDefault(entry.DumpId) ?? [])
        {
            if (waiting[dependant.DumpId] > 0 && --waiting[dependant.DumpId] == 0)
                ready.Enqueue(dependant, new SortKey(dependant));
        }
    }

    /// <summary>Place of an entry among those that may come next; ordinal, hence the same on every machine.</summary>
    private readonly record struct SortKey(TocEntry Entry) : IComparable<SortKey>
    {
        public int CompareTo(SortKey other)
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

    /// <summary>pg_dump's order of kinds (pg_dump_sort.c, dbObjectTypePriority), which also covers dependencies that the archive does not record.</summary>
    private static class KindRank
    {
        private static readonly Dictionary<TocKind, int> Ranks = Build(
        [
            [TocKind.Encoding], [TocKind.StandardStrings], [TocKind.SearchPath], [TocKind.Database], [TocKind.DatabaseProperties],
            [TocKind.Schema], [TocKind.ProceduralLanguage], [TocKind.Collation], [TocKind.Transform], [TocKind.Extension],
            [TocKind.ShellType, TocKind.Type, TocKind.Domain], [TocKind.Cast], [TocKind.Function, TocKind.Procedure], [TocKind.Aggregate],
            [TocKind.AccessMethod], [TocKind.Operator], [TocKind.OperatorFamily, TocKind.OperatorClass], [TocKind.Conversion],
            [TocKind.TextSearchParser], [TocKind.TextSearchTemplate], [TocKind.TextSearchDictionary], [TocKind.TextSearchConfiguration],
            [TocKind.ForeignDataWrapper], [TocKind.Server], [TocKind.UserMapping],
            [TocKind.Table, TocKind.ForeignTable, TocKind.View, TocKind.MaterializedView, TocKind.Sequence, TocKind.SequenceOwnedBy],
            [TocKind.TableAttach], [TocKind.Default], [TocKind.TableData], [TocKind.SequenceSet], [TocKind.Blob, TocKind.BlobMetadata], [TocKind.Blobs],
            [TocKind.StatisticsData], [TocKind.ExtendedStatisticsData], [TocKind.Constraint, TocKind.CheckConstraint], [TocKind.Index], [TocKind.IndexAttach], [TocKind.Statistics],
            [TocKind.Rule], [TocKind.Trigger], [TocKind.ForeignKey], [TocKind.RowSecurity, TocKind.Policy], [TocKind.Publication],
            [TocKind.PublicationTable], [TocKind.PublicationTablesInSchema], [TocKind.Subscription], [TocKind.SubscriptionTable], [TocKind.DefaultAcl],
            [TocKind.EventTrigger], [TocKind.MaterializedViewData],
        ]);

        /// <summary>Unknown kinds come last in their section.</summary>
        public static int Of(TocKind kind) => Ranks.GetValueOrDefault(kind, int.MaxValue);

        private static Dictionary<TocKind, int> Build(TocKind[][] order) =>
            order.SelectMany(static (kinds, rank) => kinds.Select(kind => (kind, rank))).ToDictionary(static p => p.kind, static p => p.rank);
    }
}
