using System.Collections.Immutable;

namespace OmniPg.Wal;

/// <summary>The span of time to which the WAL of an archive can bring a suitable base backup. Without one nothing can be restored.</summary>
/// <param name="Earliest">
/// Where the window begins: the end of the oldest base backup whose backup history file and unbroken WAL are in the archive; without such a
/// file, the first commit in the unbroken WAL. Never later than <paramref name="LatestCommit"/>: when nothing was committed behind the backup, both are
/// that commit, the one state to be had. Null when there is neither.
/// </param>
/// <param name="LatestCommit">The last commit in the archive; null when there is none.</param>
/// <param name="Timeline">The timeline that recovery follows by default (<c>latest</c>), also when only its history is archived yet; 0 in an empty archive.</param>
/// <param name="From">The first segment of the unbroken WAL that reaches <paramref name="LatestCommit"/>; null in an empty archive.</param>
/// <param name="To">The last segment; null in an empty archive.</param>
/// <param name="Gaps">Everything missing, on all timelines.</param>
public sealed record RecoveryWindow(
    DateTimeOffset? Earliest, DateTimeOffset? LatestCommit, uint Timeline, WalFileName? From, WalFileName? To, ImmutableArray<WalGap> Gaps);
