using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>One line of a timeline history: an ancestor and where it was left.</summary>
/// <param name="Timeline">The ancestor.</param>
/// <param name="SwitchLsn">First WAL position that no longer belongs to it.</param>
/// <param name="Reason">What PostgreSQL noted, for example <c>no recovery target specified</c>; may be empty.</param>
public readonly record struct TimelineSwitch(uint Timeline, NpgsqlLogSequenceNumber SwitchLsn, string Reason);
