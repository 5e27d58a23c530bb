using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What validation learned about one WAL file. Members that the validation level or the kind of file does not reach keep their defaults.</summary>
public sealed record WalValidationResult
{
    /// <summary>Kind of the file; <see cref="WalFileKind.Segment"/> when no name was given.</summary>
    public WalFileKind Kind { get; init; }

    /// <summary>Level at which the file was checked.</summary>
    public WalValidation Level { get; init; }

    /// <summary>Bytes read.</summary>
    public long Bytes { get; init; }

    /// <summary>Page magic; 0 for text files and without validation.</summary>
    public ushort Magic { get; init; }

    /// <summary>Major version of the server that wrote the segment; 0 when the magic is unknown.</summary>
    public int PgMajor { get; init; }

    /// <summary>System identifier of the cluster that wrote the segment.</summary>
    public ulong SystemIdentifier { get; init; }

    /// <summary>Timeline of the first page. Lower than that of the file name in the first segment of a new timeline.</summary>
    public uint FirstTli { get; init; }

    /// <summary>Timeline of the last valid page.</summary>
    public uint LastTli { get; init; }

    /// <summary>Segment size in bytes.</summary>
    public int SegmentSize { get; init; }

    /// <summary>Whether the file is a segment of a version unknown to this package, whose header was read all the same.</summary>
    internal bool IsUnknownVersion => Magic != 0 && PgMajor == 0;

    /// <summary>Number of records that end in the segment and whose CRC was verified.</summary>
    public long Records { get; init; }

    /// <summary>Start of the first record that starts in the segment; <see langword="null"/> when none does.</summary>
    public NpgsqlLogSequenceNumber? FirstRecord { get; init; }

    /// <summary>Start of the last verified record; <see langword="null"/> when there is none.</summary>
    public NpgsqlLogSequenceNumber? LastRecord { get; init; }

    /// <summary>End of the last verified record, after alignment; the start of the segment when no record ends in it.</summary>
    public NpgsqlLogSequenceNumber EndOfValid { get; init; }

    /// <summary>Time of the first commit that ends in the segment (UTC, microseconds); <see langword="null"/> when there is none.</summary>
    public DateTimeOffset? FirstCommit { get; init; }

    /// <summary>Time of the last commit that ends in the segment (UTC, microseconds); <see langword="null"/> when there is none.</summary>
    public DateTimeOffset? LastCommit { get; init; }

    /// <summary>Where the valid records end.</summary>
    public WalSegmentEnd End { get; init; }

    /// <summary>Why the valid data ends early, in words; <see langword="null"/> unless <see cref="End"/> is <see cref="WalSegmentEnd.Early"/>.</summary>
    public string? EndReason { get; init; }

    /// <summary>Whether the segment ends with a switch record (<c>pg_switch_wal()</c>, <c>archive_timeout</c>, shutdown with archiving).</summary>
    public bool EndsWithSwitch => End == WalSegmentEnd.Switch;

    /// <summary>Bytes of the last record that are in the next segment; 0 when no record is split over the end.</summary>
    public int ContinuesInNextBytes { get; init; }

    /// <summary>
    /// Whether the link to the segment before was not checked because its state was not given: neither the back pointer of the first record nor
    /// the content of a record that was begun there. The bytes of a record split over the end are checked with the next segment.
    /// </summary>
    public bool EdgesUnchecked { get; init; }

    /// <summary>
    /// End of the bytes that were not checked: from the start of the segment up to here they belong to a record that begins in a segment before, and its
    /// beginning was not given. <see langword="null"/> when every byte was checked, and when <see cref="Level"/> is not <see cref="WalValidation.Full"/>.
    /// </summary>
    public NpgsqlLogSequenceNumber? UncheckedUntil { get; init; }

    /// <summary>State to give to the validation of the next segment (<see cref="WalExpectations.Previous"/>); <see langword="null"/> unless the segment was fully validated to its end.</summary>
    public WalChainState? Next { get; init; }
}
