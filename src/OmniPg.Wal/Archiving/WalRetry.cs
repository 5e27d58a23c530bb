namespace OmniPg.Wal;

/// <summary>How often a failed destination is tried again within one call. PostgreSQL itself repeats a failed call after a second.</summary>
/// <param name="Attempts">Tries in all, at least 1.</param>
/// <param name="Delay">Pause between two tries.</param>
public readonly record struct WalRetry(int Attempts, TimeSpan Delay)
{
    /// <summary>One try; the next call tries again.</summary>
    public static WalRetry None { get; } = new(1, TimeSpan.Zero);
}
