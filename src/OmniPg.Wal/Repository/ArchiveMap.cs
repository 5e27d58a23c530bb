namespace OmniPg.Wal;

/// <summary>Everything an archive holds, sorted: the base of verification, window and gap search.</summary>
internal sealed class ArchiveMap
{
    private const int LongestText = 64 * 1024;
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

    /// <summary>Segments that the archiver has given up.</summary>
    public IReadOnlyList<WalFileName> Dropped { get; private init; } = [];

    public long Files => Others.Count + _segments.Values.Sum(t => t.Values.Sum(c => (long)c.Count));

    /// <summary>Lists an archive.</summary>
    /// <param name="store">The archive.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="systemIdentifier">The cluster that it has to be of; null takes any.</param>
    /// <exception cref="WalArchiveAbsentException">There is no archive.</exception>
    /// <exception cref="WalArchiveMismatchException">It is another cluster's.</exception>
    public static async Task<ArchiveMap> LoadAsync(IObjectStore store, CancellationToken cancellationToken, ulong? systemIdentifier = null)
    {
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        var segments = new List<WalArchivedFile>();
        var others = new List<WalArchivedFile>();
        var dropped = new List<WalFileName>();
        await foreach (var entry in store.ListAsync("", WalObjectKey.Depth, cancellationToken).ConfigureAwait(false))
        {
            if (WalArchivedFile.TryParse(entry) is { } file)
                (file.Name.Kind == WalFileKind.Segment ? segments : others).Add(file);
            else if (DroppedWal.SegmentOf(entry.Key) is { } name)
                dropped.Add(name);
        }

        await presence.RequireAsync(systemIdentifier, cancellationToken).ConfigureAwait(false);
        others.Sort(static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        var size = await SegmentSizeAsync(store, segments, cancellationToken).ConfigureAwait(false);
        var histories = await HistoriesAsync(store, others, cancellationToken).ConfigureAwait(false);
        var map = new ArchiveMap(presence, size, others, histories) { Dropped = dropped };
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
    /// <param name="timeline">The timeline.</param>
    /// <param name="finished">The last segment of it that its server has finished, to go as far as that; null when nobody knows.</param>
    public IReadOnlyList<Stretch> PathTo(uint timeline, ulong? finished = null)
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

        var archived = _segments.GetValueOrDefault(timeline)?.Keys.Last();
        if ((archived > finished || finished is null ? archived : finished) is { } last && last >= begin)
            path.Add(new Stretch(timeline, begin, last));
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

    /// <summary>The segment size: from the marker, else from the first segment that can be read.</summary>
    private static async Task<WalSegmentSize> SegmentSizeAsync(IObjectStore store, List<WalArchivedFile> segments, CancellationToken cancellationToken)
    {
        if (await WalArchiveMarker.ReadAsync(store, cancellationToken).ConfigureAwait(false) is { } marker && WalSegmentSize.IsValid(marker.WalSegmentSize))
            return WalSegmentSize.FromBytes(marker.WalSegmentSize);
        foreach (var file in segments)
        {
            try
            {
                var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
                if (content is null)
                    continue;
                await using (content.ConfigureAwait(false))
                    return await SegmentSizeAsync(content, file.Name, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
            {
                // This file tells nothing; verification will say what is wrong with it.
            }
        }

        return WalSegmentSize.Default;
    }

    private static async Task<Dictionary<uint, TimelineHistory>> HistoriesAsync(
        IObjectStore store, List<WalArchivedFile> files, CancellationToken cancellationToken)
    {
        var histories = new Dictionary<uint, TimelineHistory>();
        foreach (var file in files.Where(f => f.Name.Kind == WalFileKind.TimelineHistory))
        {
            try
            {
                if (await ReadTextAsync(store, file, cancellationToken).ConfigureAwait(false) is { } text)
                    histories[file.Name.Timeline] = TimelineHistory.Parse(file.Name.Timeline, text);
            }
            catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
            {
                // Verification reads the file again and reports it.
            }
        }

        return histories;
    }

    /// <summary>A small text file; null when it is gone. What is longer than any such file is cut.</summary>
    public static async Task<string?> ReadTextAsync(IObjectStore store, WalArchivedFile file, CancellationToken cancellationToken)
    {
        var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
        if (content is null)
            return null;
        await using (content.ConfigureAwait(false))
        {
            var bytes = new byte[LongestText];
            var length = await content.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return System.Text.Encoding.UTF8.GetString(bytes, 0, length);
        }
    }

    private static async Task<WalSegmentSize> SegmentSizeAsync(Stream content, WalFileName name, CancellationToken cancellationToken)
    {
        var summary = await WalSegmentReader.ValidateAsync(content, name, WalExpectations.Any.WithUnknownVersions(), cancellationToken).ConfigureAwait(false);
        return WalSegmentSize.FromBytes(summary.SegmentSize);
    }

    /// <summary>Consecutive segments of one timeline, by number, both ends included.</summary>
    internal readonly record struct Stretch(uint Timeline, ulong From, ulong To);
}
