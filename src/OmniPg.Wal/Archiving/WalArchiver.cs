using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Archives finished WAL files: reads each once, validates it, and returns only when every required destination holds a durable copy.</summary>
/// <remarks>
/// Thread safe; files may be archived side by side. Idempotent: a file that is stored with equal content counts as archived and is not written
/// again. A file up to 64 MiB for one codec is held in memory as a whole; of any other 8 buffers of 256 KiB are, and 4 per distinct codec. Corresponds to <c>omnipitr-archive</c>.
/// </remarks>
public sealed class WalArchiver : IAsyncDisposable
{
    // Looking for abandoned temporary files lists a whole directory, so a program that archives one file per process does it now and then only.
    private const int SegmentsBetweenCleanings = 256;
    private readonly ArchiveQueue _queue;
    private bool _saidUnknownVersion;
    private bool _disposed;

    /// <summary>Makes an archiver from options; no destination is touched yet.</summary>
    /// <param name="options">What to do; not changed afterwards.</param>
    /// <param name="loggerFactory">Makes the logger; <see langword="null"/> logs nothing.</param>
    /// <param name="timeProvider">Clock; <see langword="null"/> means that of the system.</param>
    /// <exception cref="OptionsValidationException">Something cannot work; all of it is named.</exception>
    /// <exception cref="CodecUnavailableException">A codec's program is missing.</exception>
    public WalArchiver(WalArchiveOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = OptionsCheck.Require(options);
        Log = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<WalArchiver>();
        Time = timeProvider ?? TimeProvider.System;
        Destinations = [.. options.Destinations.Select(d => new ArchiveDestination(d, options)).DistinctBy(static d => d.StateId)];
        foreach (var codec in Destinations.Select(static d => d.Codec).Distinct())
            if (!codec.IsAvailable(out _))
                codec.Compress(Stream.Null).Dispose();
        Copier = new WalCopier(Time);
        Limit = RateLimit.Of(options.MaxRate, Time);
        Chain = new SegmentChain(options.StateDirectory);
        _queue = new ArchiveQueue(options, Time);
    }

    /// <summary>The options it was made with.</summary>
    public WalArchiveOptions Options { get; }

    internal ILogger Log { get; }

    internal TimeProvider Time { get; }

    internal IReadOnlyList<ArchiveDestination> Destinations { get; }

    internal WalCopier Copier { get; init; }

    internal RateLimit? Limit { get; }

    internal SegmentChain Chain { get; }

    /// <summary>The cluster where there is no data directory to ask, as behind a receiver; null asks that.</summary>
    internal PgControlFile? KnownCluster { get; init; }

    /// <summary>Whether files are looked for that a run before may have archived: then finding them there is nothing to warn of.</summary>
    internal bool IsLookingAhead { get; set; }

    /// <summary>Copies one finished WAL file to every destination and returns once all required copies are durable.</summary>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>), relative to the data directory or absolute.</param>
    /// <param name="cancellationToken">Cancels; unpublished copies leave no trace.</param>
    /// <returns>What each destination holds now, or that the file was given up (<see cref="WalArchiveOptions.QueueLimit"/>).</returns>
    /// <exception cref="ArgumentException">The path does not end in the name of a WAL file.</exception>
    /// <exception cref="WalConfigurationException">The data directory is none.</exception>
    /// <exception cref="WalControlFileException">The <c>pg_control</c> of the data directory is missing, damaged, or of a version that is not read.</exception>
    /// <exception cref="WalInputException">The file is missing, no regular file, unreadable, or changed while it was read.</exception>
    /// <exception cref="WalValidationException">The file is not what its name says, or damaged. Nothing was published.</exception>
    /// <exception cref="WalArchiveMismatchException">An archive belongs to another cluster. Nothing was published.</exception>
    /// <exception cref="WalConflictException">A destination holds the name with other content. Nothing was published.</exception>
    /// <exception cref="WalDeliveryException">A required destination failed; the others hold the file, and the next call sends it only where it is missing.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing unpublished is left.</exception>
    /// <exception cref="ObjectDisposedException">The archiver was disposed.</exception>
    public Task<WalArchiveResult> ArchiveAsync(string path, CancellationToken cancellationToken = default) => ArchiveAsync(path, null, cancellationToken);

    /// <inheritdoc cref="ArchiveAsync(string, CancellationToken)"/>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>), relative to the data directory or absolute.</param>
    /// <param name="progress">Told after each buffer, on pool threads; <see langword="null"/> tells nobody.</param>
    /// <param name="cancellationToken">Cancels; unpublished copies leave no trace.</param>
    public async Task<WalArchiveResult> ArchiveAsync(string path, IProgress<WalProgress>? progress, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!WalFileName.TryParse(Path.GetFileName(path), out var file))
            throw new ArgumentException($"'{path}' is not the path of a WAL file.", nameof(path));
        cancellationToken.ThrowIfCancellationRequested();
        if (file.SegmentPart % SegmentsBetweenCleanings == 0)
            await TryRemoveAbandonedAsync(cancellationToken).ConfigureAwait(false);
        if (Options.QueueLimit is not null && file.Kind == WalFileKind.Segment && _queue.IsOver(ReadControlFile()))
            return await DropAsync(file, cancellationToken).ConfigureAwait(false);
        var located = Path.Combine(Options.DataDirectory, path);
        var result = await MeasuredAsync(file, () => new ArchiveRun(this, file, located, progress).ExecuteAsync(cancellationToken)).ConfigureAwait(false);
        Say(located, result);
        if (!result.IsArchived)
            throw new WalDeliveryException(result);
        await TellDroppedAsync(cancellationToken).ConfigureAwait(false);
        return result;
    }

    /// <summary>Begins the archive of every destination that has none yet, although the cluster has archived before. The verb <c>init</c>.</summary>
    /// <param name="cancellationToken">Cancels; a marker is there complete or not at all.</param>
    /// <returns>The marker of each destination that keeps one, in the order of the options; an archive that this cluster had begun keeps its own.</returns>
    /// <exception cref="WalConfigurationException">The data directory is none, or no destination can keep a marker.</exception>
    /// <exception cref="WalArchiveMismatchException">An archive belongs to another cluster, or holds files but no marker.</exception>
    /// <exception cref="WalDestinationException">A destination could not be read or written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<IReadOnlyList<WalArchiveMarker>> BeginAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var bound = Destinations.Where(static d => d.IsBound).ToArray();
        if (bound.Length == 0 || ReadControlFile() is not { } cluster)
            throw new WalConfigurationException("Nothing can be begun: no destination keeps a marker, or there is no pg_control.", "Name a directory or a store that can be read.");
        var markers = new List<WalArchiveMarker>();
        foreach (var destination in bound)
            markers.Add(await new ClusterBinding(cluster, Options, Time).BeginAsync(destination, cancellationToken).ConfigureAwait(false));
        return markers;
    }

    /// <summary>Removes temporary files and unfinished uploads that killed processes left in the destinations more than an hour ago.</summary>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>How many were removed.</returns>
    /// <exception cref="IOException">A destination cannot be listed, or a file in it cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">The account may not remove from a destination.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<int> RemoveAbandonedAsync(CancellationToken cancellationToken = default)
    {
        var limit = Time.GetUtcNow() - TimeSpan.FromHours(1);
        var removed = 0;
        foreach (var store in Destinations.Select(static d => d.Store).OfType<IObjectStore>())
            removed += await store.RemoveAbandonedAsync(limit, WalObjectKey.Depth, cancellationToken).ConfigureAwait(false);
        return removed;
    }

    private async Task<WalArchiveResult> DropAsync(WalFileName file, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.DropAsync(file, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw WalDestinationException.Failed(Options.StateDirectory!, file.ToString(), refused);
        }

        WalLog.Dropped(Log, file, Options.QueueLimit!.Value);
        WalTelemetry.ArchivedSegments.Add(1, new KeyValuePair<string, object?>("status", "dropped"));
        return new WalArchiveResult(file, 0, "", TimeSpan.Zero, null, []) { IsDropped = true };
    }

    // What an archive does not know of files that are gone must not keep those that are there from it.
    private async Task TellDroppedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _queue.TellAsync(Destinations, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception refused) when (refused is not OperationCanceledException)
        {
            WalLog.DropNotTold(Log, refused.Message);
        }
    }

    // Tidying up must never keep a segment from being archived.
    internal async Task TryRemoveAbandonedAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RemoveAbandonedAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception refused)
        {
            WalLog.NotTidied(Log, refused.Message);
        }
    }

    /// <summary>Releases what the archiver opened; stores that were handed in stay open.</summary>
    /// <returns>A task that ends when all is released.</returns>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        _queue.Dispose();
        foreach (var destination in Destinations.Where(d => Options.Destinations.All(o => o.Sink != d.Sink)))
            await destination.Sink.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The cluster's identity; null when the check of the data directory is off and there is no control file.</summary>
    internal PgControlFile? ReadControlFile()
    {
        if (KnownCluster is not null)
            return KnownCluster;
        // At every call, not once: a resident process outlives the cluster when somebody restores or upgrades it in place.
        if (Options.RequireDataDirectory && !File.Exists(Path.Combine(Options.DataDirectory, "PG_VERSION")))
            throw new WalConfigurationException(
                $"'{Options.DataDirectory}' is no PostgreSQL data directory: it holds no 'PG_VERSION'.", "Give the cluster's data directory, or switch the check off.");
        var hasControlFile = Options.RequireDataDirectory || File.Exists(Path.Combine(Options.DataDirectory, PgControlFile.RelativePath));
        return !hasControlFile ? null
            : Options.AllowUnknownVersion ? PgControlFile.ReadNewer(Options.DataDirectory, Time)
            : PgControlFile.Read(Options.DataDirectory, Time);
    }

    internal WalSegmentValidator? ValidatorFor(PgControlFile? cluster, WalFileName file, string path)
    {
        if (Options.Validation == WalValidation.None)
        {
            WalLog.NotValidated(Log, file);
            return null;
        }

        var expectations = cluster?.ToExpectations() ?? WalExpectations.Any;
        if (Options.AllowUnknownVersion)
            expectations = expectations.WithUnknownVersions();
        if (cluster is not null && file.Kind == WalFileKind.Segment && Options.Validation == WalValidation.Full)
        {
            expectations = expectations with { Previous = Chain.Before(file, path, cluster, out var wasDamaged) };
            if (wasDamaged)
                WalLog.StateDiscarded(Log, SegmentChain.FileName);
        }

        return new WalSegmentValidator(file, Options.Validation, expectations);
    }

    /// <summary>Says once that files of a newer server are stored without being understood.</summary>
    internal void WarnOfVersion(PgControlFile? cluster, WalFileName file, WalValidationResult? summary)
    {
        var isUnknown = cluster is { IsKnownVersion: false } || summary is { IsUnknownVersion: true };
        if (isUnknown && !Interlocked.Exchange(ref _saidUnknownVersion, true))
            WalLog.ArchivedUnknownVersion(Log, file);
    }

    // What became of a file at every destination, and of the whole call.
    private void Say(string path, WalArchiveResult result)
    {
        foreach (var failure in result.Destinations.Where(static d => d.Error is not null))
        {
            if (failure.IsRequired)
                WalLog.DestinationFailed(Log, failure.Id, failure.Error!.Message);
            else
                WalLog.OptionalFailed(Log, failure.Id, failure.Error!.Message);
        }

        if (result.IsArchived)
            WalLog.Sent(Log, path);
    }

    // Span and measurements of one call.
    private static async Task<WalArchiveResult> MeasuredAsync(WalFileName file, Func<Task<WalArchiveResult>> call)
    {
        using var activity = WalTelemetry.Source.StartActivity("wal.archive")?.SetTag("omnipg.wal.segment", file.ToString());
        var started = Stopwatch.GetTimestamp();
        try
        {
            var result = await call().ConfigureAwait(false);
            WalTelemetry.ArchivedBytes.Add(result.RawBytes, new KeyValuePair<string, object?>("stage", "raw"));
            foreach (var destination in result.Destinations.Where(static d => d.StoredBytes > 0))
                WalTelemetry.ArchivedBytes.Add(destination.StoredBytes, new("stage", "stored"), new("destination", destination.Id));
            End(result.IsArchived ? "archived" : "failed", result.Destinations.FirstOrDefault(static d => d is { IsRequired: true, Error: not null })?.Error);
            return result;
        }
        catch (Exception error)
        {
            End(error is OperationCanceledException ? "cancelled" : "failed", error);
            throw;
        }

        void End(string status, Exception? error)
        {
            WalTelemetry.ArchivedSegments.Add(1, new KeyValuePair<string, object?>("status", status));
            WalTelemetry.ArchiveDuration.Record(Stopwatch.GetElapsedTime(started).TotalSeconds);
            if (error is WalValidationException)
                WalTelemetry.ValidationFailures.Add(1);
            if (error is null)
                return;
            activity?.SetTag("error.type", (error as OmniPgException)?.Code ?? error.GetType().FullName);
            activity?.SetStatus(ActivityStatusCode.Error, error.Message);
        }
    }
}
