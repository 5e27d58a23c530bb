namespace OmniPg.Wal;

/// <summary>Reads a whole archive, timeline by timeline, and hands the state at the end of each segment to the next one.</summary>
internal sealed class ArchiveVerifier(IObjectStore store, ArchiveMap map, ArchivingServer? server, WalVerifyOptions options, IProgress<WalScanProgress>? progress)
{
    private readonly List<WalFileProblem> _problems = [];
    private readonly long _total = map.Files;
    private long _files;
    private long _bytes;
    private long _records;
    private long _unknownVersions;

    public async Task<WalVerifyResult> RunAsync(CancellationToken cancellationToken)
    {
        var ends = new Dictionary<(uint Timeline, ulong Number), WalChainState?>();
        foreach (var (timeline, segments) in map.Segments)
        {
            var history = map.HistoryOf(timeline);
            foreach (var (number, copies) in segments)
            {
                var before = number == 0 ? null : ends.GetValueOrDefault((map.TimelineOf(number - 1, history), number - 1));
                ends[(timeline, number)] = await CheckCopiesAsync(copies, before, cancellationToken).ConfigureAwait(false);
            }
        }

        foreach (var file in map.Others)
            await CheckAsync(file, null, cancellationToken).ConfigureAwait(false);
        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
        return new WalVerifyResult(_files, _bytes, _records, map.Timelines(), _problems, GapFinder.Find(map, server))
        {
            UnknownVersions = _unknownVersions, MissingHistories = GapFinder.HistoriesMissing(map, server), Failure = server?.Failure,
        };
    }

    private async Task<WalChainState?> CheckCopiesAsync(List<WalArchivedFile> copies, WalChainState? before, CancellationToken cancellationToken)
    {
        WalChainState? end = null;
        foreach (var copy in copies)
            end = await CheckAsync(copy, before, cancellationToken).ConfigureAwait(false) ?? end;
        return end;
    }

    private async Task<WalChainState?> CheckAsync(WalArchivedFile file, WalChainState? before, CancellationToken cancellationToken)
    {
        try
        {
            var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
            // Cleaned up since the listing.
            if (content is null)
                return null;
            await using (content.ConfigureAwait(false))
            {
                var expectations = new WalExpectations { Previous = before, SegmentSize = map.Size.Bytes, SystemIdentifier = server?.SystemIdentifier };
                if (options.AllowUnknownVersion)
                    expectations = expectations.WithUnknownVersions();
                var summary = await ContentCheck.RunAsync(content, file.Name, options.Validation, expectations, cancellationToken).ConfigureAwait(false);
                _unknownVersions += summary.IsUnknownVersion ? 1 : 0;
                _bytes += summary.Bytes;
                _records += summary.Records;
                return summary.Next;
            }
        }
        catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
        {
            _problems.Add(new WalFileProblem(file, e));
            return null;
        }
        finally
        {
            _files++;
            progress?.Report(new WalScanProgress(_files, _total, _bytes, file.Name));
        }
    }
}
