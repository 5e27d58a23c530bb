namespace OmniPg.Wal;

/// <summary>Segments that an archive should hold but does not: a recovery cannot get past them.</summary>
/// <param name="Timeline">Timeline of the missing segments.</param>
/// <param name="From">The first missing one.</param>
/// <param name="To">The last missing one.</param>
/// <param name="Count">How many are missing.</param>
public sealed record WalGap(uint Timeline, WalFileName From, WalFileName To, long Count);
