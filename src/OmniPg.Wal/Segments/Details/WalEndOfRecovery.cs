namespace OmniPg.Wal;

/// <summary>First record of a promoted server on its new timeline.</summary>
/// <param name="Time">When recovery ended by the server's clock (UTC, microseconds).</param>
/// <param name="Timeline">The new timeline.</param>
/// <param name="PreviousTimeline">The timeline that was left.</param>
public sealed record WalEndOfRecovery(DateTimeOffset Time, uint Timeline, uint PreviousTimeline) : WalRecordDetail;
