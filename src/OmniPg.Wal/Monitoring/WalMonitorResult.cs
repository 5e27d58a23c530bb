using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What a look at archiving found.</summary>
/// <param name="At">When, by the server's clock where it answered.</param>
/// <param name="Checks">One entry per check, in the order of <see cref="WalCheck"/>.</param>
public sealed record WalMonitorResult(DateTimeOffset At, IReadOnlyList<WalCheckResult> Checks)
{
    /// <summary>The worst level: critical, then unknown, then warning.</summary>
    public WalCheckLevel Worst =>
        Array.Find([WalCheckLevel.Critical, WalCheckLevel.Unknown, WalCheckLevel.Warning], level => Checks.Any(c => c.Level == level));

    /// <summary>Where the server's WAL ends; null when it did not answer.</summary>
    public NpgsqlLogSequenceNumber? ServerLsn { get; init; }

    /// <summary>Up to where WAL survives the loss of the server, in the archive or confirmed by the receiver; null when that is not known.</summary>
    public NpgsqlLogSequenceNumber? DurableLsn { get; init; }

    /// <summary>Time of the last commit found in the archive; null when it was not looked for or there is none in its newest segments.</summary>
    public DateTimeOffset? LastDurableCommit { get; init; }
}
