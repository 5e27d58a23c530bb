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
        var missing = map.Segments.Keys.Union(map.Histories.Keys)
            .SelectMany(t => OnPath(map, map.PathTo(t, server is { IsStandby: false } && server.Timeline == t ? server.LastDue : null)));
        var holes = missing.Concat(server is null ? [] : Told(map, server)).GroupBy(m => m.Timeline).OrderBy(t => t.Key).SelectMany(Merged);
        return [.. server is null ? holes.Select(h => Gap(map, h, null)) : ByStatus(map, holes, server)];
    }

    /// <summary>Histories without which nothing leads from the segments of older timelines to those of a newer one, or to the server's.</summary>
    public static IReadOnlyList<WalFileName> HistoriesMissing(ArchiveMap map, ArchivingServer? server) =>
    [
        .. map.Segments.Keys.Concat(server is null ? [] : [server.Timeline]).Distinct().Order()
            .Where(t => t > map.Segments.Keys.DefaultIfEmpty(uint.MaxValue).Min() && map.Others.All(f => f.Name.Kind != WalFileKind.TimelineHistory || f.Name.Timeline != t))
            .Select(WalFileName.ForHistory)
            // Right behind a promotion it is on its way, as a segment is.
            .Where(h => server is null || server.IsFailing || !server.IsReady(h)),
    ];

    /// <summary>What the server itself names: each segment that waits, and the one that it has archived last, which has to be there.</summary>
    private static IEnumerable<ArchiveMap.Stretch> Told(ArchiveMap map, ArchivingServer server)
    {
        // What a receiver has delivered leaves its directory: there only what follows the last segment tells anything.
        var named = server.IsArchiving && server.Slot?.Flushed is null && server.LastArchived is { Kind: WalFileKind.Segment } last && last.Fits(map.Size) ? server.Waiting.Append(last) : server.Waiting;
        var absent = named.Select(n => (n.Timeline, Number: n.SegmentNumber(map.Size))).Where(n => !(map.Segments.GetValueOrDefault(n.Timeline)?.ContainsKey(n.Number) ?? false)).ToList();
        var holes = absent.Select(n => new ArchiveMap.Stretch(n.Timeline, n.Number, n.Number));
        // Where nothing leads to the server's timeline, all that it has finished since the first of these is missing, and since the newest segment that any timeline has.
        if (!server.IsStandby && server.LastDue is { } finished && !map.PathTo(server.Timeline).Any(s => map.Segments.GetValueOrDefault(s.Timeline) is { } segments && segments.Keys.Any(n => n >= s.From && n <= s.To)))
        {
            var own = absent.Where(n => n.Timeline == server.Timeline).Select(n => (ulong?)n.Number).Min();
            var behind = map.Segments.Values.Max(s => (ulong?)s.Keys.Last()) + 1;
            if ((own < behind || behind is null ? own : behind) is { } first && first <= finished)
                return holes.Append(new ArchiveMap.Stretch(server.Timeline, first, finished));
        }

        return holes;
    }

    private static IEnumerable<WalGap> ByStatus(ArchiveMap map, IEnumerable<ArchiveMap.Stretch> holes, ArchivingServer server)
    {
        var oldest = server.OldestReady;
        return holes.SelectMany(h => ByStatus(map, h, server, oldest));
    }

    private static IEnumerable<WalGap> ByStatus(ArchiveMap map, ArchiveMap.Stretch hole, ArchivingServer server, WalFileName? oldest)
    {
        var passed = map.Segments.GetValueOrDefault(hole.Timeline)?.Keys.Last();
        // A receiver is still writing it, or has not named it yet. One that lies before complete ones is what a dead one has left, and nobody comes back to it.
        var partial = map.Others.Where(f => f.Name.Kind == WalFileKind.Partial && f.Name.Timeline == hole.Timeline && f.Name.Fits(map.Size)).Select(f => f.Name.SegmentNumber(map.Size))
            .Where(n => server.IsSending && (passed is null || n > passed)).ToHashSet();
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
