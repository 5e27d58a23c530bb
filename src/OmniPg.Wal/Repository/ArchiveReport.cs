namespace OmniPg.Wal;

/// <summary>What an archive holds of one timeline.</summary>
/// <param name="Timeline">Its number.</param>
/// <param name="First">The first complete segment; null when there is none, and only its history is archived.</param>
/// <param name="Last">The last complete segment; null likewise.</param>
/// <param name="Segments">How many complete segments there are.</param>
/// <param name="History">Its ancestors; without ancestors when the archive has no history file of it.</param>
public sealed record WalTimeline(uint Timeline, WalFileName? First, WalFileName? Last, long Segments, TimelineHistory History);

/// <summary>Segments that an archive should hold but does not: a recovery cannot get past them.</summary>
/// <param name="Timeline">Timeline of the missing segments.</param>
/// <param name="From">The first missing one.</param>
/// <param name="To">The last missing one.</param>
/// <param name="Count">How many are missing.</param>
public sealed record WalGap(uint Timeline, WalFileName From, WalFileName To, long Count)
{
    /// <summary>How many of them the archiver gave up because too much waited (<see cref="WalArchiveOptions.QueueLimit"/>): they are nowhere.</summary>
    public long Dropped { get; init; }

    /// <summary>What the server of the archive says of them: one and the same of all; null when it was not asked (<see cref="WalVerifyOptions.Server"/>).</summary>
    public WalGapStatus? Status { get; init; }

    /// <summary>Whether the server still has them and hands them over by itself, as far as it says.</summary>
    public bool IsOnItsWay => Status is WalGapStatus.Delayed or WalGapStatus.Uploading;

    /// <summary>Whether nobody has them to bring, as far as the server says, or nobody was asked.</summary>
    internal bool IsLost => Status is null or WalGapStatus.Lost;
}

/// <summary>Whether missing segments may still come.</summary>
public enum WalGapStatus
{
    /// <summary>The server does not have them waiting: they are gone, or lie elsewhere.</summary>
    Lost,

    /// <summary>They wait in the server's <c>pg_wal</c> for the archiver (<c>archive_status/NAME.ready</c>), whose last try did not fail.</summary>
    Delayed,

    /// <summary>
    /// Somebody is at them: the archiver, whose last try did not fail, has segments behind them archived or none before them left; they were finished while the archive was read; or a receiver, of which the server
    /// has one, is still writing them.
    /// </summary>
    Uploading,

    /// <summary>They wait like delayed ones, but the archiver's last try failed (<see cref="WalVerifyResult.Failure"/>): without help they stay where they are, and with a limit of the queue they are given up.</summary>
    Failing,
}

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
    DateTimeOffset? Earliest, DateTimeOffset? LatestCommit, uint Timeline, WalFileName? From, WalFileName? To, IReadOnlyList<WalGap> Gaps);

/// <summary>An archived file that is not what its name says.</summary>
/// <param name="File">The file.</param>
/// <param name="Error">What is wrong: <see cref="WalValidationException"/> or a damaged compression.</param>
public sealed record WalFileProblem(WalArchivedFile File, Exception Error);

/// <summary>How far reading through an archive has come.</summary>
/// <param name="Done">Files read.</param>
/// <param name="Total">Files to read.</param>
/// <param name="RawBytes">Uncompressed bytes read.</param>
/// <param name="Current">The file just read.</param>
public readonly record struct WalScanProgress(long Done, long Total, long RawBytes, WalFileName Current);

/// <summary>What a verification of a whole archive found.</summary>
/// <param name="Files">Files read.</param>
/// <param name="RawBytes">Their uncompressed bytes.</param>
/// <param name="Records">WAL records whose CRC was checked.</param>
/// <param name="Timelines">What there is, per timeline.</param>
/// <param name="Problems">Files that are not valid.</param>
/// <param name="Gaps">Segments that are missing.</param>
public sealed record WalVerifyResult(
    long Files,
    long RawBytes,
    long Records,
    IReadOnlyList<WalTimeline> Timelines,
    IReadOnlyList<WalFileProblem> Problems,
    IReadOnlyList<WalGap> Gaps)
{
    /// <summary>Segments of a version newer than this package, of which only the first page header was checked.</summary>
    public long UnknownVersions { get; init; }

    /// <summary>Histories that the archive lacks, of timelines whose ancestors it holds segments of: no recovery finds the way from those to them, and whether something is missing in between nobody can tell.</summary>
    public IReadOnlyList<WalFileName> MissingHistories { get; init; } = [];

    /// <summary>The archiver's last failure when nothing was archived since (<c>pg_stat_archiver</c>); null otherwise, and when the server was not asked.</summary>
    public WalArchivingFailure? Failure { get; init; }

    /// <summary>Whether every file is valid and none is missing but those on their way (<see cref="WalGap.IsOnItsWay"/>).</summary>
    public bool IsGood => Problems.Count == 0 && MissingHistories.Count == 0 && Gaps.All(static g => g.IsOnItsWay);
}

/// <summary>What a server says of the last try to archive that failed.</summary>
/// <param name="File">The file (<c>last_failed_wal</c>).</param>
/// <param name="Time">When (<c>last_failed_time</c>).</param>
public sealed record WalArchivingFailure(string? File, DateTimeOffset? Time);
