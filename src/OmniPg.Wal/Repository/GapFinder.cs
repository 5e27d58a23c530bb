namespace OmniPg.Wal;

/// <summary>
/// Finds missing segments on the path of each timeline: from its end back through all ancestors, with or without segments of their own, to the first
/// segment that is archived. A timeline that is known by its history alone ends where it begins.
/// </summary>
internal static class GapFinder
{
    /// <summary>Finds them.</summary>
    /// <param name="map">The archive.</param>
    /// <param name="server">What its server said before the archive was listed: what it has finished since then counts as missing, too, and each gap gets a status. Null when it was not asked.</param>
    /// <returns>By timeline and position.</returns>
    public static IReadOnlyList<WalGap> Find(ArchiveMap map, ArchivingServer? server = null)
    {
        // Of a standby only the checkpoint tells the timeline, which may be one behind its position.
        var known = map.Segments.Keys.Union(map.Histories.Keys);
        var missing = known.SelectMany(t => OnPath(map, map.PathTo(t, server is { IsStandby: false } && server.Timeline == t ? server.LastFinished : null)));
        // A timeline of which the archive knows nothing yet leads nowhere from what it has.
        if (server is not null && !known.Contains(server.Timeline))
            missing = missing.Concat(server.Waiting.Select(n => new ArchiveMap.Stretch(server.Timeline, n, n)));
        var holes = missing.GroupBy(m => m.Timeline).OrderBy(t => t.Key).SelectMany(Merged);
        return [.. server is null ? holes.Select(h => Gap(map, h, null)) : ByStatus(map, holes, server)];
    }

    private static IEnumerable<WalGap> ByStatus(ArchiveMap map, IEnumerable<ArchiveMap.Stretch> holes, ArchivingServer server)
    {
        var oldest = server.OldestReady;
        return holes.SelectMany(h => ByStatus(map, h, server, oldest));
    }

    private static IEnumerable<WalGap> ByStatus(ArchiveMap map, ArchiveMap.Stretch hole, ArchivingServer server, WalFileName? oldest)
    {
        var passed = map.Segments.GetValueOrDefault(hole.Timeline)?.Keys.Last();
        // A receiver is still writing it, or has not named it yet.
        var partial = map.Others.Where(f => f.Name.Kind == WalFileKind.Partial && f.Name.Timeline == hole.Timeline && f.Name.Fits(map.Size)).Select(f => f.Name.SegmentNumber(map.Size)).ToHashSet();
        WalGapStatus StatusOf(ulong number) => map.NameOf(hole.Timeline, number) is var name && partial.Contains(number) ? WalGapStatus.Uploading : server.StatusOf(name, isNext: number < passed || name == oldest);
        for (var from = hole.From; from <= hole.To;)
        {
            var (to, status) = (from, StatusOf(from));
            while (to < hole.To && StatusOf(to + 1) == status)
                to++;
            yield return Gap(map, hole with { From = from, To = to }, status);
            from = to + 1;
        }
    }

    private static IEnumerable<ArchiveMap.Stretch> OnPath(ArchiveMap map, IReadOnlyList<ArchiveMap.Stretch> path)
    {
        ulong? last = null;
        foreach (var stretch in path)
        {
            if (map.Segments.GetValueOrDefault(stretch.Timeline) is { } segments)
            {
                foreach (var number in segments.Keys.Where(n => n >= stretch.From && n <= stretch.To))
                {
                    if (last is { } before && number > before + 1)
                    {
                        foreach (var hole in Between(path, before + 1, number - 1))
                            yield return hole;
                    }

                    last = number;
                }
            }
        }

        // Archived up to here, and the last timeline begins later.
        if (last is { } end && path.Count > 0 && path[^1].To > end)
        {
            foreach (var hole in Between(path, end + 1, path[^1].To))
                yield return hole;
        }
    }

    private static IEnumerable<ArchiveMap.Stretch> Between(IReadOnlyList<ArchiveMap.Stretch> path, ulong from, ulong to) => path
        .Where(s => s.From <= to && s.To >= from)
        .Select(s => s with { From = Math.Max(s.From, from), To = Math.Min(s.To, to) });

    // The paths of several timelines share their ancestors, and with them the holes.
    private static List<ArchiveMap.Stretch> Merged(IEnumerable<ArchiveMap.Stretch> holes)
    {
        var merged = new List<ArchiveMap.Stretch>();
        foreach (var hole in holes.OrderBy(h => h.From))
        {
            if (merged is [.., var last] && hole.From <= last.To + 1)
                merged[^1] = last with { To = Math.Max(last.To, hole.To) };
            else
                merged.Add(hole);
        }

        return merged;
    }

    private static WalGap Gap(ArchiveMap map, ArchiveMap.Stretch hole, WalGapStatus? status) =>
        new(hole.Timeline, map.NameOf(hole.Timeline, hole.From), map.NameOf(hole.Timeline, hole.To), (long)(hole.To - hole.From + 1))
        {
            Status = status,
            Dropped = map.Dropped.LongCount(name => name.Timeline == hole.Timeline && name.Fits(map.Size) && name.SegmentNumber(map.Size) is var number && number >= hole.From && number <= hole.To),
        };
}
