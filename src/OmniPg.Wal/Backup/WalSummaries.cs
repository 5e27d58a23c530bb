using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What the server's WAL summarizer (PostgreSQL 17 and later, <c>summarize_wal</c>) knows of the WAL between two backups.</summary>
internal sealed class WalSummaries(BackupSession session, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    // The server's own backup gives up a summarizer that stands still for so long, too (WaitForWalSummarization).
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(60);

    /// <summary>Reads what was changed between the starts of two backups.</summary>
    /// <param name="prior">The older one.</param>
    /// <param name="to">Where the younger one starts, on the same timeline.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="WalBackupException">The server has no summaries of all of it.</exception>
    public async Task<ChangedBlocks> ReadAsync(BackupInfo prior, NpgsqlLogSequenceNumber to, CancellationToken cancellationToken)
    {
        var changed = new ChangedBlocks();
        foreach (var summary in await ArriveAsync(prior, to, cancellationToken).ConfigureAwait(false))
            await session.ReadSummaryAsync(summary, changed, cancellationToken).ConfigureAwait(false);
        return changed;
    }

    /// <summary>Waits until the summarizer has come as far as the backup's start: it works behind the server.</summary>
    private async Task<IReadOnlyList<WalSummary>> ArriveAsync(BackupInfo prior, NpgsqlLogSequenceNumber to, CancellationToken cancellationToken)
    {
        var (last, since) = (prior.StartLsn, time.GetTimestamp());
        while (true)
        {
            var summaries = await session.SummariesAsync(prior.Timeline, prior.StartLsn, to, cancellationToken).ConfigureAwait(false);
            var reached = prior.StartLsn;
            foreach (var summary in summaries)
            {
                // They are made in order, so this one never comes.
                if (summary.Start > reached)
                    throw Refused(prior, $"the server has no WAL summary from '{reached}' to '{summary.Start}'");
                reached = summary.End > reached ? summary.End : reached;
            }

            if (reached >= to)
                return summaries;
            if (reached > last)
                (last, since) = (reached, time.GetTimestamp());
            if (time.GetElapsedTime(since) >= LongestSilence)
                throw Refused(prior, $"the server's WAL summarizer has come to '{reached}', and not on to '{to}' within '{LongestSilence}'");
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static WalBackupException Refused(BackupInfo prior, string why) => WalBackupException.Increment(
        prior.Id, why, "Make a full backup. Summaries are kept for 'wal_summary_keep_time', and none are made while 'summarize_wal' is off.");
}

/// <summary>A WAL summary of the server.</summary>
internal readonly record struct WalSummary(uint Timeline, NpgsqlLogSequenceNumber Start, NpgsqlLogSequenceNumber End);
