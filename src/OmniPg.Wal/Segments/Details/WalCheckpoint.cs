using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>A checkpoint.</summary>
/// <param name="IsShutdown">Whether it ends a clean shutdown or a recovery; otherwise it was made while the server ran.</param>
/// <param name="Redo">Where replay from this checkpoint starts.</param>
/// <param name="Timeline">Timeline of the server.</param>
/// <param name="PreviousTimeline">Timeline before; different when the checkpoint ends a recovery.</param>
public sealed record WalCheckpoint(bool IsShutdown, NpgsqlLogSequenceNumber Redo, uint Timeline, uint PreviousTimeline) : WalRecordDetail;
