namespace OmniPg.Wal;

/// <summary>Everything an archive holds, sorted: the base of verification, window and gap search.</summary>
internal sealed class ArchiveMap
{
    private readonly SortedDictionary<uint, SortedDictionary<ulong, List<WalArchivedFile>>> _segments = [];

    private readonly ArchivePresence _presence;

    private ArchiveMap(ArchivePresence presence, WalSegmentSize size, List<WalArchivedFile> others, Dictionary<uint, TimelineHistory> histories) =>
        (_presence, Size, Others, Histories) = (presence, size, others, histories);

    public WalSegmentSize Size { get; }

    /// <summary>Partial segments, timeline histories and backup histories.</summary>
    public IReadOnlyList<WalArchivedFile> Others { get; }

    /// <summary>The histories that could be read. A damaged one is found by verification, not here.</summary>
    public IReadOnlyDictionary<uint, TimelineHistory> Histories { get; }

    /// <summary>Complete segments: timeline, segment number, copies (several when one lies there under several extensions).</summary>
    public IReadOnlyDictionary<uint, SortedDictionary<ulong, List<WalArchivedFile>>> Segments => _segments;

    public long Files => Others.Count + _segments.Values.Sum(t => t.Values.Sum(c => (long)c.Count));

    /// <exception cref="WalArchiveAbsentException">There is no archive.</exception>
    public static async Task<ArchiveMap> LoadAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        var segments = new List<WalArchivedFile>();
        var others = new List<WalArchivedFile>();
        await foreach (var entry in store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (WalArchivedFile.TryParse(entry) is { } file)
                (file.Name.Kind == WalFileKind.Segment ? segments : others).Add(file);
        }

        await presence.RequireAsync(null, cancellationToken).ConfigureAwait(false);
        others.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        var size = await ArchiveFacts.SegmentSizeAsync(store, segments, cancellationToken).ConfigureAwait(false);
        var histories = await ArchiveFacts.HistoriesAsync(store, others, cancellationToken).ConfigureAwait(false);
        var map = new ArchiveMap(presence, size, others, histories);
        foreach (var file in segments)
            map.Add(file);
        return map;
    }

    /// <summary>To be called after the last look at a file: one that vanished was cleaned up only if the archive is still there.</summary>
    /// <exception cref="WalArchiveAbsentException">The archive has vanished since it was listed.</exception>
    public Task RequireStillThereAsync(CancellationToken cancellationToken) => _presence.RequireAsync(null, cancellationToken);

    public TimelineHistory HistoryOf(uint timeline) => Histories.GetValueOrDefault(timeline) ?? TimelineHistory.Root(timeline);

    public WalFileName NameOf(uint timeline, ulong number) => WalFileName.ForSegmentNumber(timeline, number, Size);

    public IReadOnlyList<WalTimeline> Timelines() =>
    [
        .. _segments.Keys.Union(Histories.Keys).Order().Select(timeline => _segments.GetValueOrDefault(timeline) is { } own
            ? new WalTimeline(timeline, NameOf(timeline, own.Keys.First()), NameOf(timeline, own.Keys.Last()), own.Count, HistoryOf(timeline))
            : new WalTimeline(timeline, null, null, 0, HistoryOf(timeline))),
    ];

    /// <summary>The timeline of the file that holds a segment on the way to a timeline: where a switch lies in it, the newer one.</summary>
    public uint TimelineOf(ulong number, TimelineHistory path) =>
        path.TimelineAt(new(((number + 1) * (uint)Size.Bytes) - 1));

    /// <summary>Which timeline's segments lead to a timeline, oldest first, up to its last archived segment, or to where it begins when it has none.</summary>
    public IReadOnlyList<Stretch> PathTo(uint timeline)
    {
        var path = new List<Stretch>();
        var begin = 0UL;
        foreach (var ancestor in HistoryOf(timeline).Ancestors)
        {
            // The segment in which the switch lies is a file of the newer timeline.
            var end = (ulong)ancestor.SwitchLsn / (uint)Size.Bytes;
            if (end > begin)
                path.Add(new Stretch(ancestor.Timeline, begin, end - 1));
            begin = Math.Max(begin, end);
        }

        if (_segments.GetValueOrDefault(timeline) is { } own && own.Keys.Last() >= begin)
            path.Add(new Stretch(timeline, begin, own.Keys.Last()));
        return path;
    }

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

/// <summary>Consecutive segments of one timeline, by number, both ends included.</summary>
internal readonly record struct Stretch(uint Timeline, ulong From, ulong To);
