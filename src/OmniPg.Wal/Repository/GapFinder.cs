using System.Collections.Immutable;

namespace OmniPg.Wal;

/// <summary>Finds missing segments: inside each timeline, and where one timeline goes over into the next.</summary>
internal static class GapFinder
{
    public static ImmutableArray<WalGap> Find(ArchiveMap map)
    {
        var gaps = ImmutableArray.CreateBuilder<WalGap>();
        foreach (var (timeline, segments) in map.Segments)
        {
            AddInside(map, timeline, segments.Keys, gaps);
            AddBefore(map, timeline, segments.Keys.First(), gaps);
        }

        return [.. gaps.Distinct().OrderBy(g => g.Timeline).ThenBy(g => g.From.Position)];
    }

    private static void AddInside(ArchiveMap map, uint timeline, IEnumerable<ulong> numbers, ImmutableArray<WalGap>.Builder gaps)
    {
        ulong? last = null;
        foreach (var number in numbers)
        {
            if (last is { } before && number > before + 1)
                gaps.Add(Gap(map, timeline, before + 1, number - 1));
            last = number;
        }
    }

    /// <summary>A timeline begins with the segment of its switch position; the one before it must reach up to there.</summary>
    private static void AddBefore(ArchiveMap map, uint timeline, ulong first, ImmutableArray<WalGap>.Builder gaps)
    {
        if (map.HistoryOf(timeline).Ancestors is not [.., var parent])
            return;
        var begin = (ulong)parent.SwitchLsn / (uint)map.Size.Bytes;
        if (first > begin)
            gaps.Add(Gap(map, timeline, begin, first - 1));
        // Without any segment of the parent the archive was begun, or cleaned up, after the switch.
        if (map.Segments.GetValueOrDefault(parent.Timeline) is { Count: > 0 } segments && segments.Keys.Last() + 1 < begin)
            gaps.Add(Gap(map, parent.Timeline, segments.Keys.Last() + 1, begin - 1));
    }

    private static WalGap Gap(ArchiveMap map, uint timeline, ulong from, ulong to) =>
        new(timeline, map.NameOf(timeline, from), map.NameOf(timeline, to), (long)(to - from + 1));
}
