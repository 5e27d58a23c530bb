using System.Runtime.CompilerServices;

namespace OmniPg.Wal;

/// <summary>Tries codecs on real segments, through the same pump and validation as archiving, so that a user can choose one for their own WAL.</summary>
public static class WalCodecTrial
{
    /// <summary>Finds segments for a trial: those of a directory that are complete and valid. Recycled ones and the one being written are left out.</summary>
    /// <param name="directory">A <c>pg_wal</c>, or any directory with uncompressed segments.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Paths, in the order of their names.</returns>
    public static async Task<IReadOnlyList<string>> FindSegmentsAsync(string directory, int limit, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        var found = new List<string>();
        foreach (var path in Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal))
        {
            if (found.Count == limit)
                break;
            if (WalFileName.TryParse(Path.GetFileName(path), out var name) && name.Kind == WalFileKind.Segment
                && await IsValidAsync(path, name, cancellationToken).ConfigureAwait(false))
                found.Add(path);
        }

        return found;
    }

    /// <summary>Copies all segments to nowhere with each codec in turn, after one segment to warm up.</summary>
    /// <param name="segments">Paths of uncompressed segments.</param>
    /// <param name="codecs">Codecs with their levels; null is a codec's default.</param>
    /// <param name="validation">How thoroughly segments are checked meanwhile.</param>
    /// <param name="timeProvider">The clock; the system's when null.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>One result per codec, as soon as it is there.</returns>
    public static async IAsyncEnumerable<WalCodecTrialResult> RunAsync(
        IReadOnlyList<string> segments,
        IEnumerable<(Codec Codec, int? Level)> codecs,
        WalValidation validation = WalValidation.Full,
        TimeProvider? timeProvider = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(segments);
        ArgumentNullException.ThrowIfNull(codecs);
        ArgumentOutOfRangeException.ThrowIfZero(segments.Count);
        foreach (var (codec, level) in codecs)
            yield return await RunAsync(segments, codec, level, validation, timeProvider ?? TimeProvider.System, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<WalCodecTrialResult> RunAsync(
        IReadOnlyList<string> segments, Codec codec, int? level, WalValidation validation, TimeProvider time, CancellationToken cancellationToken)
    {
        var store = new CountingSink();
        var options = new WalArchiveOptions
        {
            RequireDataDirectory = false, Binding = ArchiveBinding.None, Validation = validation,
            Destinations = [new(store) { Codec = codec.Name, Level = level }],
        };
        var archiver = new WalArchiver(options, timeProvider: time);
        await using (archiver.ConfigureAwait(false))
        {
            await archiver.ArchiveAsync(Path.GetFullPath(segments[0]), cancellationToken).ConfigureAwait(false);
            var (allocated, started) = (GC.GetTotalAllocatedBytes(), time.GetTimestamp());
            long raw = 0, stored = 0;
            foreach (var segment in segments)
            {
                var result = await archiver.ArchiveAsync(Path.GetFullPath(segment), cancellationToken).ConfigureAwait(false);
                raw += result.RawBytes;
                stored += result.Destinations[0].StoredBytes;
            }

            var name = level is { } number ? $"{codec.Name}:{number}" : codec.Name;
            return new WalCodecTrialResult(
                name, segments.Count, raw, stored, time.GetElapsedTime(started), GC.GetTotalAllocatedBytes() - allocated, Environment.WorkingSet);
        }
    }

    private static async Task<bool> IsValidAsync(string path, WalFileName name, CancellationToken cancellationToken)
    {
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            await using (file.ConfigureAwait(false))
            {
                await ContentCheck.RunAsync(file, name, WalValidation.Full, WalExpectations.Any, cancellationToken).ConfigureAwait(false);
                return true;
            }
        }
        catch (WalValidationException)
        {
            return false;
        }
    }
}
