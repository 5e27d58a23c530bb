using System.Collections.Immutable;

namespace OmniPg.Wal;

/// <summary>Everything an archive holds, sorted: the base of verification, window and gap search.</summary>
internal sealed class ArchiveMap
{
    private readonly SortedDictionary<uint, SortedDictionary<ulong, List<WalArchivedFile>>> _segments = [];

    private ArchiveMap(WalSegmentSize size, List<WalArchivedFile> others, Dictionary<uint, TimelineHistory> histories) =>
        (Size, Others, Histories) = (size, others, histories);

    public WalSegmentSize Size { get; }

    /// <summary>Partial segments, timeline histories and backup histories.</summary>
    public IReadOnlyList<WalArchivedFile> Others { get; }

    /// <summary>The histories that could be read. A damaged one is found by verification, not here.</summary>
    public IReadOnlyDictionary<uint, TimelineHistory> Histories { get; }

    /// <summary>Complete segments: timeline, segment number, copies (several when one lies there under several extensions).</summary>
    public IReadOnlyDictionary<uint, SortedDictionary<ulong, List<WalArchivedFile>>> Segments => _segments;

    public long Files => Others.Count + _segments.Values.Sum(t => t.Values.Sum(c => (long)c.Count));

    public static async Task<ArchiveMap> LoadAsync(IWalStore store, CancellationToken cancellationToken)
    {
        var segments = new List<WalArchivedFile>();
        var others = new List<WalArchivedFile>();
        await foreach (var entry in store.ListAsync("", cancellationToken).ConfigureAwait(false))
        {
            if (WalArchivedFile.TryParse(entry) is { } file)
                (file.Name.Kind == WalFileKind.Segment ? segments : others).Add(file);
        }

        others.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        var size = await ArchiveFacts.SegmentSizeAsync(store, segments, cancellationToken).ConfigureAwait(false);
        var histories = await ArchiveFacts.HistoriesAsync(store, others, cancellationToken).ConfigureAwait(false);
        var map = new ArchiveMap(size, others, histories);
        foreach (var file in segments)
            map.Add(file);
        return map;
    }

    public TimelineHistory HistoryOf(uint timeline) => Histories.GetValueOrDefault(timeline) ?? TimelineHistory.Root(timeline);

    public WalFileName NameOf(uint timeline, ulong number) => WalFileName.ForSegmentNumber(timeline, number, Size);

    public ImmutableArray<WalTimeline> Timelines() =>
    [
        .. _segments.Select(t => new WalTimeline(
            t.Key, NameOf(t.Key, t.Value.Keys.First()), NameOf(t.Key, t.Value.Keys.Last()), t.Value.Count, HistoryOf(t.Key))),
    ];

    /// <summary>The timeline of the file that holds a segment on the way to a timeline: where a switch lies in it, the newer one.</summary>
    public uint TimelineOf(ulong number, TimelineHistory path) =>
        path.TimelineAt(new(((number + 1) * (uint)Size.Bytes) - 1));

    private void Add(WalArchivedFile file)
    {
        // A name that cannot be a segment of this size is an invalid file; verification would only stumble over it here.
        if (!file.Name.Fits(Size))
            return;
        if (!_segments.TryGetValue(file.Name.Timeline, out var numbers))
            _segments.Add(file.Name.Timeline, numbers = []);
        var number = file.Name.SegmentNumber(Size);
        if (!numbers.TryGetValue(number, out var copies))
            numbers.Add(number, copies = []);
        copies.Add(file);
    }
}
