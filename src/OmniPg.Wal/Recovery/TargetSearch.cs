using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Whether a recovery along a path comes to its target: what PostgreSQL would find out only at the end of the WAL (<c>recoveryStopsBefore</c>, <c>recoveryStopsAfter</c> of xlogrecovery.c).</summary>
internal sealed class TargetSearch(IObjectStore archive, RecoveryPath path)
{
    /// <returns>Why the target is never reached; null when it is.</returns>
    public async Task<string?> RefusalAsync(RecoveryTarget target, CancellationToken cancellationToken)
    {
        if (path.Refusal is { } refusal)
            return refusal;
        if (!path.IsConsistent)
            return $"WAL file '{path.FirstMissing}', without which the backup '{path.Backup.Id}' is not consistent, is not in the archive '{archive.Id}'";
        return target switch
        {
            { Moment: { } moment } => await AfterTheEndAsync(moment, target.IsInclusive, cancellationToken).ConfigureAwait(false),
            { Position: { } position } => await AfterTheEndAsync(position, cancellationToken).ConfigureAwait(false),
            { TransactionId: { } xid } => await FirstAsync(d => d is WalTransactionEnd end && end.TransactionId == xid, $"no end of transaction '{xid}'", cancellationToken).ConfigureAwait(false),
            { PointName: { } name } => await FirstAsync(d => d is WalRestorePoint point && point.Name == name, $"no restore point '{name}'", cancellationToken).ConfigureAwait(false),
            _ => null,
        };
    }

    private string Where => $"the WAL from '{path.Backup.WalFrom}' on along timeline '{path.History.Timeline}'" + (path.FirstMissing is { } missing ? $", which ends before the missing '{missing}'," : "");

    private async Task<string?> AfterTheEndAsync(DateTimeOffset moment, bool isInclusive, CancellationToken cancellationToken)
    {
        for (var i = path.Run.Count - 1; i >= 0; i--)
        {
            DateTimeOffset? last = null;
            var before = i > 0 ? (await SummaryAsync(path.Run[i - 1], cancellationToken).ConfigureAwait(false))?.Next : null;
            await foreach (var record in ReadAsync(path.Run[i], before, null, cancellationToken).ConfigureAwait(false))
            {
                if (record.Detail is not WalTransactionEnd end)
                    continue;
                if (isInclusive ? end.Time > moment : end.Time >= moment)
                    return null;
                last = last is null || end.Time > last ? end.Time : last;
            }

            if (last is { } time)
                return $"the last transaction in {Where} ended at '{time.UtcDateTime:yyyy-MM-dd HH:mm:ss.ffffff}+00'";
        }

        return $"no transaction ended in {Where}";
    }

    private async Task<string?> AfterTheEndAsync(NpgsqlLogSequenceNumber position, CancellationToken cancellationToken)
    {
        foreach (var copies in path.Run.Reverse())
        {
            if (await SummaryAsync(copies, cancellationToken).ConfigureAwait(false) is { LastRecord: { } last })
                return position <= last ? null : $"the last record of {Where} starts at '{last}'";
        }

        return $"there is no record in {Where}";
    }

    // The first match is where the server stops, whether the backup is consistent there or not.
    private async Task<string?> FirstAsync(Func<WalRecordDetail, bool> matches, string absent, CancellationToken cancellationToken)
    {
        WalChainState? chain = null;
        foreach (var copies in path.Run)
        {
            WalValidationResult? read = null;
            await foreach (var record in ReadAsync(copies, chain, s => read = s, cancellationToken).ConfigureAwait(false))
            {
                if (record.Detail is { } detail && matches(detail))
                    return record.Lsn >= path.Backup.StopLsn ? null : $"it lies at '{record.Lsn}', before the backup '{path.Backup.Id}' is consistent at '{path.Backup.StopLsn}'";
            }

            chain = read?.Next;
        }

        return $"there is {absent} in {Where}";
    }

    private async Task<WalValidationResult?> SummaryAsync(List<WalArchivedFile> copies, CancellationToken cancellationToken)
    {
        foreach (var copy in copies)
        {
            if (await WindowFinder.SummaryAsync(archive, copy, cancellationToken).ConfigureAwait(false) is { } summary)
                return summary;
        }

        return null;
    }

    /// <summary>The records of the first copy that is valid; none when none is, because recovery stops there.</summary>
    private IAsyncEnumerable<WalRecord> ReadAsync(List<WalArchivedFile> copies, WalChainState? previous, Action<WalValidationResult>? ended, CancellationToken cancellationToken) =>
        SegmentRecords.ReadAsync(archive, copies, previous, ended, includeData: false, cancellationToken);
}
