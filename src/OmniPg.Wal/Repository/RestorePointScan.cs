using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Reads every segment for its restore points; one that began in the segment before is found because the chain is carried on.</summary>
internal sealed class RestorePointScan(IObjectStore store, ArchiveMap map, IProgress<WalScanProgress>? progress, ILogger log)
{
    private long _done;
    private long _bytes;

    public async IAsyncEnumerable<RestorePoint> RunAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var total = map.Segments.Values.Sum(t => (long)t.Count);
        foreach (var (timeline, segments) in map.Segments)
        {
            WalChainState? previous = null;
            foreach (var copies in segments.Values)
            {
                var points = new List<RestorePoint>();
                previous = await ReadAsync(copies, previous, points, cancellationToken).ConfigureAwait(false);
                progress?.Report(new WalScanProgress(++_done, total, _bytes, copies[0].Name));
                foreach (var point in points)
                    yield return point;
            }
        }

        await map.RequireStillThereAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<WalChainState?> ReadAsync(
        List<WalArchivedFile> copies, WalChainState? previous, List<RestorePoint> points, CancellationToken cancellationToken)
    {
        foreach (var copy in copies)
        {
            points.Clear();
            try
            {
                if (await ReadAsync(copy, previous, points, cancellationToken).ConfigureAwait(false) is { } summary)
                    return summary.Next;
            }
            catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
            {
                RepositoryLog.PassedOver(log, copy.Key, e.Message);
            }
        }

        return null;
    }

    private async Task<WalSegmentSummary?> ReadAsync(
        WalArchivedFile file, WalChainState? previous, List<RestorePoint> points, CancellationToken cancellationToken)
    {
        var content = await WalContent.OpenReadAsync(store, file.Key, cancellationToken).ConfigureAwait(false);
        if (content is null)
            return null;
        await using (content.ConfigureAwait(false))
        {
            WalSegmentSummary? summary = null;
            var options = new WalReadOptions
            {
                Name = file.Name,
                Expectations = new WalExpectations { Previous = previous, AllowUnknownVersion = true },
                OnSegmentEnd = s => summary = s,
            };
            await foreach (var record in WalSegmentReader.ReadAsync(content, options, cancellationToken).ConfigureAwait(false))
            {
                if (record.Detail is WalRestorePoint point)
                    points.Add(new RestorePoint(point.Name, point.Time, record.Lsn, file.Name.Timeline, file.Name));
            }

            _bytes += summary?.Bytes ?? 0;
            return summary;
        }
    }
}
