namespace OmniPg.Wal;

/// <summary>What an archive holds of one timeline.</summary>
/// <param name="Timeline">Its number.</param>
/// <param name="First">The first complete segment.</param>
/// <param name="Last">The last complete segment.</param>
/// <param name="Segments">How many complete segments there are.</param>
/// <param name="History">Its ancestors; without ancestors when the archive has no history file of it.</param>
public sealed record WalTimeline(uint Timeline, WalFileName First, WalFileName Last, long Segments, TimelineHistory History);
