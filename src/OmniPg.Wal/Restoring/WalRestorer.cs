using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// Hands archived WAL to a recovering server, for <c>restore_command</c> or from code. Says "not found" only when every source answered;
/// hands out only what was validated to its last byte; leaves a complete file or none.
/// </summary>
/// <remarks>Thread-safe for different target paths. The original's <c>omnipitr-restore</c>.</remarks>
public sealed class WalRestorer
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);
    private static readonly (string? Source, long Bytes, bool FromSpool) Missing = (null, 0, false);
    private readonly WalRestoreOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly WalCopier _copier;
    private readonly CopyFetcher _fetcher;
    private readonly FinishTrigger _finish;
    private readonly UnneededRemoval _removal;
    private readonly WalSpool? _spool;

    /// <summary>Checks the options; nothing is read from a source yet.</summary>
    /// <param name="options">Sources and patience; not to be changed afterwards.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">The clock; the system's when null.</param>
    /// <exception cref="OptionsValidationException">Something cannot work; all of it is named.</exception>
    /// <exception cref="WalConfigurationException">The data directory is none.</exception>
    public WalRestorer(WalRestoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = OptionsCheck.Require(options);
        if (options.RequireDataDirectory && !File.Exists(Path.Combine(options.DataDirectory, "PG_VERSION")))
            throw new WalConfigurationException(
                $"The data directory '{Path.GetFullPath(options.DataDirectory)}' has no file PG_VERSION.", "Give the server's data directory, or switch the check off.");
        _time = timeProvider ?? TimeProvider.System;
        _log = loggerFactory?.CreateLogger<WalRestorer>() ?? NullLogger<WalRestorer>.Instance;
        _copier = new WalCopier(_time);
        _fetcher = new CopyFetcher(options, _copier, _log);
        _finish = new FinishTrigger(options.FinishTrigger);
        _removal = new UnneededRemoval(options, _time, _log);
        _spool = options.Prefetch is { } prefetch ? new WalSpool(prefetch, _log) : null;
    }

    /// <summary>Whether a prefetch run works on the spool, in this process or another, for this server or another.</summary>
    public bool IsPrefetchRunning => _spool?.IsLocked ?? false;

    /// <summary>Ends the recovery at once: waiting and later calls answer not found. The original's SIGUSR1.</summary>
    public void RequestFinish() => _finish.Request();

    /// <summary>Fetches one file from the first source that holds a valid copy.</summary>
    /// <param name="name">Name as PostgreSQL passes it (<c>%f</c>): a segment, a backup history or a timeline history.</param>
    /// <param name="targetPath">Where to put it (<c>%p</c>), absolute or relative to the data directory. Appears complete or not at all.</param>
    /// <param name="cancellationToken">Stops within a second; no file is left.</param>
    /// <returns>Restored, or not found: every source answered and none has it.</returns>
    /// <exception cref="ArgumentException"><paramref name="name"/> is not the name of a WAL file.</exception>
    /// <exception cref="WalSourceException">A source did not answer and no other one has a valid copy, until the retry time was over.</exception>
    /// <exception cref="WalCorruptCopyException">The file is in the archive, but no copy of it is valid.</exception>
    /// <exception cref="WalRestoreTargetException">The file for the server cannot be written.</exception>
    /// <exception cref="WalControlFileException"><c>pg_control</c> cannot tell what may be removed, and <see cref="WalRestoreOptions.ControlFileErrors"/> is <see cref="ControlFileErrorPolicy.Fail"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; no file is left.</exception>
    public async Task<WalRestoreResult> RestoreAsync(string name, string targetPath, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentException.ThrowIfNullOrEmpty(targetPath);
        if (!WalFileName.TryParse(name, out var file) || file.Kind == WalFileKind.Partial)
            throw new ArgumentException("Not the name of a segment, a backup history or a timeline history.", nameof(name));

        var started = _time.GetTimestamp();
        using var activity = WalTelemetry.Source.StartActivity("wal.restore")?.SetTag("omnipg.wal.segment", file.ToString());
        var path = Path.Combine(_options.DataDirectory, targetPath);
        var (source, bytes, fromSpool) = await RestoreAsync(file, path, started, cancellationToken).ConfigureAwait(false);
        if (source is not null)
            WalLog.Restored(_log, file);
        var status = source is null ? WalRestoreStatus.NotFound : WalRestoreStatus.Restored;
        var result = new WalRestoreResult(status, file, source, bytes, fromSpool, _time.GetElapsedTime(started));
        WalTelemetry.RestoreDuration.Record(result.Elapsed.TotalSeconds, new KeyValuePair<string, object?>("status", source is null ? "not-found" : "restored"));
        if (_spool is not null && source is not null && file.Kind == WalFileKind.Segment)
            (fromSpool ? WalTelemetry.PrefetchHits : WalTelemetry.PrefetchMisses).Add(1);
        return result;
    }

    /// <summary>Fetches ahead until the server asks for nothing new any more, for as long as <see cref="WalPrefetchOptions.IdleTimeout"/>.</summary>
    /// <param name="cancellationToken">Ends the run; what is in the spool then counts no more.</param>
    /// <returns>Whether this call did the run; false when another one was under way already, for whichever server, or when the spool cannot be used.</returns>
    /// <exception cref="InvalidOperationException">The options have no <see cref="WalRestoreOptions.Prefetch"/>.</exception>
    public async Task<bool> RunPrefetchAsync(CancellationToken cancellationToken = default)
    {
        if (_spool is null)
            throw new InvalidOperationException("The restorer was made without prefetch options.");
        var expectations = await ExpectationsAsync(cancellationToken).ConfigureAwait(false);
        var binding = await SpoolBinding.OfAsync(_options, expectations, cancellationToken).ConfigureAwait(false);
        try
        {
            if (_spool.Open(binding) is not { } folder)
                return false;
            using var single = await _spool.TryLockAsync(_time, cancellationToken).ConfigureAwait(false);
            if (single is null)
                return false;
            var fetcher = new CopyFetcher(_options, _copier, _log, isAhead: true);
            await new Prefetcher(_options.Prefetch!, folder, fetcher, expectations, _time, _log).RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (WalSpool.IsTrouble(e))
        {
            _spool.Warn(e);
        }

        return true;
    }

    // What every segment of this cluster must look like; without a readable pg_control anything goes, and that is said.
    private async Task<WalExpectations> ExpectationsAsync(CancellationToken cancellationToken)
    {
        try
        {
            var control = _options.AllowUnknownVersion
                ? await PgControlFile.ReadNewerAsync(_options.DataDirectory, _time, cancellationToken).ConfigureAwait(false)
                : await PgControlFile.ReadAsync(_options.DataDirectory, _time, cancellationToken).ConfigureAwait(false);
            return WithVersions(control.ToExpectations());
        }
        catch (WalControlFileException e)
        {
            WalLog.UnknownCluster(_log, e.Message);
            return WithVersions(WalExpectations.Any);
        }
    }

    private WalExpectations WithVersions(WalExpectations expectations) => _options.AllowUnknownVersion ? expectations.WithUnknownVersions() : expectations;

    // One request from the first look to the answer: finish, spool, removal, fetch, delay, and the same again while waiting is allowed.
    private async Task<(string? Source, long Bytes, bool FromSpool)> RestoreAsync(
        WalFileName file, string path, long started, CancellationToken cancellationToken)
    {
        var expectations = await ExpectationsAsync(cancellationToken).ConfigureAwait(false);
        var retry = FirstRetry;
        while (true)
        {
            var finish = _finish.Read();
            if (finish == FinishTrigger.Mode.Immediate)
                return NotServed(file, finish);
            if (_options.RemoveBefore)
                await _removal.RunAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (await ServeAsync(file, path, expectations, cancellationToken).ConfigureAwait(false) is { Source: not null } served)
                    return served;
                if (!MayWait(file, finish, started))
                    return NotServed(file, finish);
                await _removal.RunAsync(cancellationToken).ConfigureAwait(false);
                await Task.Delay(PollInterval, _time, cancellationToken).ConfigureAwait(false);
            }
            catch (WalException e) when (e.IsTransient && _time.GetElapsedTime(started) + retry < _options.RetryTimeout)
            {
                await Task.Delay(retry, _time, cancellationToken).ConfigureAwait(false);
                retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry;
            }
        }
    }

    private async Task<(string? Source, long Bytes, bool FromSpool)> ServeAsync(
        WalFileName file, string path, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var spool = file.Kind == WalFileKind.Segment && _spool is { } any
            ? any.Open(await SpoolBinding.OfAsync(_options, expectations, cancellationToken).ConfigureAwait(false))
            : null;
        if (expectations.SegmentSize is { } size)
            spool?.WritePosition(file, size);
        if (spool is not null && await TryTakeAsync(spool, file, path, expectations, cancellationToken).ConfigureAwait(false) is { } bytes)
            return (spool.FolderPath, bytes, true);

        var copy = await _fetcher.FetchAsync(file, path, expectations, cancellationToken).ConfigureAwait(false);
        if (copy is null)
            return Missing;
        await using (copy.ConfigureAwait(false))
        {
            if (!await WaitUntilDueAsync(file, copy, cancellationToken).ConfigureAwait(false))
                return Missing;
            copy.Publish();
            if (expectations.SegmentSize is null)
                spool?.WritePosition(file, (int)copy.Summary.Bytes);
            return (copy.Store.Id, copy.Summary.Bytes, false);
        }
    }

    private async Task<long?> TryTakeAsync(
        WalSpool.Folder spool, WalFileName file, string path, WalExpectations expectations, CancellationToken cancellationToken)
    {
        // A delayed restore must know the archived file's time, which the spool does not keep.
        if (_options.RecoveryDelay > TimeSpan.Zero)
            return null;
        var bytes = await spool.TryTakeAsync(file, path, expectations, _time, cancellationToken).ConfigureAwait(false);
        if (bytes is { } length && expectations.SegmentSize is null)
            spool.WritePosition(file, (int)length);
        return bytes;
    }

    // False when the recovery was ended at once meanwhile.
    private async Task<bool> WaitUntilDueAsync(WalFileName file, FetchedCopy copy, CancellationToken cancellationToken)
    {
        if (_options.RecoveryDelay == TimeSpan.Zero || file.Kind != WalFileKind.Segment)
            return true;
        var basis = _options.DelayBasis == DelayBasis.LastCommit ? copy.Summary.LastCommit : null;
        basis ??= (await copy.Store.StatAsync(copy.Key, cancellationToken).ConfigureAwait(false))?.Modified;
        var due = (basis ?? _time.GetUtcNow()) + _options.RecoveryDelay;
        while (_time.GetUtcNow() <= due)
        {
            var finish = _finish.Read();
            if (finish != FinishTrigger.Mode.None)
                return finish != FinishTrigger.Mode.Immediate;
            await _removal.RunAsync(cancellationToken).ConfigureAwait(false);
            await Task.Delay(PollInterval, _time, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    private bool MayWait(WalFileName file, FinishTrigger.Mode finish, long started) =>
        file.Kind == WalFileKind.Segment
        && finish == FinishTrigger.Mode.None
        && _options.Missing.Waits
        && (_options.Missing.Timeout is not { } timeout || _time.GetElapsedTime(started) < timeout);

    private (string? Source, long Bytes, bool FromSpool) NotServed(WalFileName file, FinishTrigger.Mode finish)
    {
        if (finish == FinishTrigger.Mode.None)
            WalLog.NotFound(_log, file);
        else
            WalLog.Finished(_log, finish.ToString(), file);
        return Missing;
    }
}
