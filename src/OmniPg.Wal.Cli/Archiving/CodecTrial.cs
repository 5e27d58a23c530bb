using System.Runtime.CompilerServices;

namespace OmniPg.Wal.Cli;

/// <summary>Tries codecs on real segments, through the same pump and validation as archiving, so that a user can choose one for their own WAL.</summary>
internal static class CodecTrial
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
    public static async IAsyncEnumerable<Result> RunAsync(
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

    private static async Task<Result> RunAsync(
        IReadOnlyList<string> segments, Codec codec, int? level, WalValidation validation, TimeProvider time, CancellationToken cancellationToken)
    {
        // The buffers of the codec before are no memory of this one.
        GC.Collect();
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

            // As it stands in front of a path: zstd without a level is the setting for WAL.
            var name = codec == Codec.Zstd ? new WalLocation(codec, codec.CheckLevel(level), "-").ToString().Split('=')[0] : level is { } number ? $"{codec.Name}:{number}" : codec.Name;
            return new Result(
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
                await WalSegmentReader.ValidateAsync(file, name, null, cancellationToken).ConfigureAwait(false);
                return true;
            }
        }
        catch (WalValidationException)
        {
            return false;
        }
    }

    /// <summary>Takes everything and keeps nothing: what remains is the cost of the copy itself.</summary>
    private sealed class CountingSink : IObjectSink, IObjectWriter
    {
        public string Id => "nowhere";

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult<IObjectWriter>(this);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

        public Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default) =>
            Task.FromResult(ObjectCommitResult.Created);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>How one codec did on one's own WAL.</summary>
    /// <param name="Codec">Name of the codec, with its level behind a colon when one was given.</param>
    /// <param name="Segments">Segments copied.</param>
    /// <param name="RawBytes">Bytes read.</param>
    /// <param name="StoredBytes">Bytes that a destination would have got.</param>
    /// <param name="Elapsed">Time of the whole copying, validation included, without any disk.</param>
    /// <param name="AllocatedBytes">Managed memory allocated meanwhile.</param>
    /// <param name="PeakBytes">Memory of the whole process afterwards, native memory included.</param>
    internal sealed record Result(
        string Codec, int Segments, long RawBytes, long StoredBytes, TimeSpan Elapsed, long AllocatedBytes, long PeakBytes)
    {
        /// <summary>Raw bytes for each stored byte.</summary>
        public double Ratio => StoredBytes == 0 ? 0 : (double)RawBytes / StoredBytes;

        /// <summary>Raw MiB per second.</summary>
        public double MebibytesPerSecond => RawBytes / Math.Max(Elapsed.TotalSeconds, 1e-9) / (1 << 20);
    }
}
