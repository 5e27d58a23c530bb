using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace OmniPg.Wal;

/// <summary>
/// Hands archived WAL to a recovering server, for <c>restore_command</c> or from code. Says "not found" only when every source answered;
/// hands out only what was validated to its last byte; leaves a complete file or none.
/// </summary>
/// <remarks>Thread-safe for different target paths. The original's <c>omnipitr-restore</c>.</remarks>
public sealed partial class WalRestorer : IWalRestorer
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    private readonly WalRestoreOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CopyFetcher _fetcher;
    private readonly FinishTrigger _finish;
    private readonly UnneededRemoval _removal;
    private readonly WalSpool? _spool;

    /// <summary>Checks the options; nothing is read from a source yet.</summary>
    /// <param name="options">Sources and patience; not to be changed afterwards.</param>
    /// <param name="loggerFactory">Where to log; nowhere when null.</param>
    /// <param name="timeProvider">The clock; the system's when null.</param>
    /// <exception cref="WalConfigurationException">An option is wrong, or the data directory is none.</exception>
    public WalRestorer(WalRestoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _time = timeProvider ?? TimeProvider.System;
        _log = loggerFactory?.CreateLogger<WalRestorer>() ?? NullLogger<WalRestorer>.Instance;
        _fetcher = new CopyFetcher(options, new WalCopier(_time), _log);
        _finish = new FinishTrigger(options.FinishTrigger);
        _removal = new UnneededRemoval(options, _time, _log);
        _spool = options.Prefetch is { } prefetch ? new WalSpool(prefetch, _log) : null;
    }

    /// <summary>Whether a prefetch run works on the spool, in this process or another, for this server or another.</summary>
    public bool IsPrefetchRunning => _spool?.IsLocked ?? false;

    /// <summary>Ends the recovery at once: waiting and later calls answer not found. The original's SIGUSR1.</summary>
    public void RequestFinish() => _finish.Request();

    /// <inheritdoc/>
    public async Task<WalRestoreOutcome> RestoreAsync(string name, string targetPath, CancellationToken cancellationToken = default)
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
            RestoreLog.Restored(_log, file);
        var status = source is null ? WalRestoreStatus.NotFound : WalRestoreStatus.Restored;
        var outcome = new WalRestoreOutcome(status, file, source, bytes, fromSpool, _time.GetElapsedTime(started));
        RestoreMetrics.Record(outcome, _spool is not null);
        return outcome;
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
            await new Prefetcher(_options.Prefetch!, folder, _fetcher, expectations, _time, _log).RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (WalSpool.IsTrouble(e))
        {
            _spool.Warn(e);
        }

        return true;
    }

    /// <summary>What every segment of this cluster must look like; without a readable pg_control anything goes, and that is said.</summary>
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
            RestoreLog.UnknownCluster(_log, e.Message);
            return WithVersions(WalExpectations.Any);
        }
    }

    private WalExpectations WithVersions(WalExpectations expectations) => _options.AllowUnknownVersion ? expectations.WithUnknownVersions() : expectations;
}
