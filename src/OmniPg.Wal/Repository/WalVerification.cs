using System.Collections.Immutable;

namespace OmniPg.Wal;

/// <summary>What a verification of a whole archive found.</summary>
/// <param name="Files">Files read.</param>
/// <param name="RawBytes">Their uncompressed bytes.</param>
/// <param name="Records">WAL records whose CRC was checked.</param>
/// <param name="Timelines">What there is, per timeline.</param>
/// <param name="Problems">Files that are not valid.</param>
/// <param name="Gaps">Segments that are missing.</param>
public sealed record WalVerification(
    long Files,
    long RawBytes,
    long Records,
    ImmutableArray<WalTimeline> Timelines,
    ImmutableArray<WalFileProblem> Problems,
    ImmutableArray<WalGap> Gaps)
{
    /// <summary>Segments of a version newer than this package, of which only the first page header was checked.</summary>
    public long UnknownVersions { get; init; }

    /// <summary>Whether every file is valid and none is missing.</summary>
    public bool IsGood => Problems.IsEmpty && Gaps.IsEmpty;
}
