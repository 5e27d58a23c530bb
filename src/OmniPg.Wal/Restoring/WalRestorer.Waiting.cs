namespace OmniPg.Wal;

public sealed partial class WalRestorer
{
    private static readonly (string? Source, long Bytes, bool FromSpool) Missing = (null, 0, false);

    /// <summary>One request from the first look to the answer: finish, spool, removal, fetch, delay, and the same again while waiting is allowed.</summary>
    private async Task<(string? Source, long Bytes, bool FromSpool)> RestoreAsync(
        WalFileName file, string path, long started, CancellationToken cancellationToken)
    {
        var expectations = await ExpectationsAsync(cancellationToken).ConfigureAwait(false);
        var retry = FirstRetry;
        while (true)
        {
            var finish = _finish.Read();
            if (finish == FinishMode.Immediate)
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
            copy.Target.Publish();
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

    /// <returns>False when the recovery was ended at once meanwhile.</returns>
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
            if (finish != FinishMode.None)
                return finish != FinishMode.Immediate;
            await _removal.RunAsync(cancellationToken).ConfigureAwait(false);
            await Task.Delay(PollInterval, _time, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    private bool MayWait(WalFileName file, FinishMode finish, long started) =>
        file.Kind == WalFileKind.Segment
        && finish == FinishMode.None
        && _options.Missing.Waits
        && (_options.Missing.Timeout is not { } timeout || _time.GetElapsedTime(started) < timeout);

    private (string? Source, long Bytes, bool FromSpool) NotServed(WalFileName file, FinishMode finish)
    {
        if (finish == FinishMode.None)
            RestoreLog.NotFound(_log, file);
        else
            RestoreLog.Finished(_log, finish, file);
        return Missing;
    }
}
