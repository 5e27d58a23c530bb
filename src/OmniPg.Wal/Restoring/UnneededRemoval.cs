using Microsoft.Extensions.Logging;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Removes from the sources what the server needs no more. Its failures are logged: they must never end a recovery.</summary>
internal sealed class UnneededRemoval
{
    private static readonly TimeSpan PauseAfterControlFileError = TimeSpan.FromMinutes(5);

    private readonly WalRestoreOptions _options;
    private readonly WalCleaner[] _cleaners;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private long? _pausedSince;

    public UnneededRemoval(WalRestoreOptions options, TimeProvider time, ILogger log)
    {
        (_options, _time, _log) = (options, time, log);
        _cleaners = options.Removal.IsOn ? [.. options.Sources.Select(s => new WalCleaner(s.Store, options.Cleanup, log))] : [];
    }

    // By timestamps, because a clock that is set back must not stop the removal.
    private bool IsPaused => _pausedSince is { } since && _time.GetElapsedTime(since) < PauseAfterControlFileError;

    /// <exception cref="WalControlFileException">pg_control is wrong and the policy is to fail.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_cleaners.Length == 0 || IsPaused || await FindLimitAsync(cancellationToken).ConfigureAwait(false) is not { } limit)
            return;
        foreach (var cleaner in _cleaners)
        {
            try
            {
                await cleaner.RunAsync(limit, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                WalLog.RemovalFailed(_log, e.Message, e);
            }
        }
    }

    private async Task<WalFileName?> FindLimitAsync(CancellationToken cancellationToken)
    {
        if (_options.Removal.Limit is { } given)
            return given;
        try
        {
            var control = await PgControlFile.ReadAsync(_options.DataDirectory, cancellationToken: cancellationToken).ConfigureAwait(false);
            // A restart of the recovery begins at the REDO position of the last restart point, so its segment is the first that is still needed.
            var redo = WalFileName.ForLsn(control.Timeline, control.Redo, WalSegmentSize.FromBytes(control.SegmentSize));
            return await FindBackupStartAsync(cancellationToken).ConfigureAwait(false) is { } start && start.Position < redo.Position ? start : redo;
        }
        catch (Exception e) when ((e is WalControlFileException or WalValidationException or IOException or UnauthorizedAccessException)
            && _options.ControlFileErrors != ControlFileErrorPolicy.Fail)
        {
            WalLog.RemovalFailed(_log, e.Message, e);
            if (_options.ControlFileErrors == ControlFileErrorPolicy.Hang)
                await Task.Delay(Timeout.InfiniteTimeSpan, _time, cancellationToken).ConfigureAwait(false);
            _pausedSince = _time.GetTimestamp();
            return null;
        }
    }

    // A backup copies pg_control last, so its REDO position may lie behind the backup's start. Until the server has removed backup_label,
    // the recovery begins where that says.
    private async Task<WalFileName?> FindBackupStartAsync(CancellationToken cancellationToken)
    {
        var path = Path.Combine(_options.DataDirectory, "backup_label");
        return FileStat.TryGet(path, out _) ? BackupLabel.Parse(await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false)).StartSegment : null;
    }
}
