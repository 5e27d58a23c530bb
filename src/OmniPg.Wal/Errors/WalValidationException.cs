using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>A WAL file is not what its name says, or is damaged. Nothing was published, and repeating the call with the same bytes fails again.</summary>
public sealed class WalValidationException : WalException
{
    /// <summary>Creates the error.</summary>
    /// <param name="problem">What is wrong; decides code and hint.</param>
    /// <param name="reason">One clause that names both sides of the mismatch.</param>
    /// <param name="file">File name without directory, or <see langword="null"/> when it is not known.</param>
    /// <param name="offset">Byte offset in the uncompressed file.</param>
    /// <param name="lsn">WAL position of <paramref name="offset"/>, or <see langword="null"/> when the file has none or it is not known yet.</param>
    /// <param name="inner">The error underneath, if any.</param>
    public WalValidationException(
        WalValidationProblem problem, string reason, string? file, long offset, NpgsqlLogSequenceNumber? lsn = null, Exception? inner = null)
        : base(CodeOf(problem), Describe(reason, file, offset, lsn), HintFor(problem), inner)
    {
        Problem = problem;
        Reason = reason;
        Offset = offset;
        Lsn = lsn;
        File = file;
    }

    /// <summary>What is wrong.</summary>
    public WalValidationProblem Problem { get; }

    /// <summary>The mismatch in words, without file name and position.</summary>
    public string Reason { get; }

    /// <summary>Byte offset in the uncompressed file of the page or record that is wrong; 0 for a record that began in the segment before.</summary>
    public long Offset { get; }

    /// <summary>WAL position of the page or record that is wrong, or <see langword="null"/> when the file has none or it was not known yet.</summary>
    public NpgsqlLogSequenceNumber? Lsn { get; }

    /// <summary>
    /// Name of the segment in which the record begins that is wrong, when that is an earlier one than <see cref="WalException.File"/>: the damage may lie in
    /// either, so check both before one is replaced. <see langword="null"/> for everything else.
    /// </summary>
    public string? BeginsIn { get; init; }

    private static string Describe(string reason, string? file, long offset, NpgsqlLogSequenceNumber? lsn)
    {
        var name = file is null ? "WAL content" : $"WAL file '{file}'";
        return lsn is { } at
            ? $"{name} is not valid at offset {offset} (LSN {at}): {reason}."
            : $"{name} is not valid at offset {offset}: {reason}.";
    }

    private static string CodeOf(WalValidationProblem problem) => problem switch
    {
        WalValidationProblem.ForeignCluster => "wal.segment.foreign-cluster",
        WalValidationProblem.WrongTimeline => "wal.segment.wrong-timeline",
        WalValidationProblem.WrongSize => "wal.segment.wrong-size",
        WalValidationProblem.WrongAddress => "wal.segment.wrong-address",
        WalValidationProblem.WrongVersion => "wal.segment.wrong-version",
        WalValidationProblem.BadHeader => "wal.segment.bad-header",
        WalValidationProblem.BadPage => "wal.segment.bad-page",
        WalValidationProblem.BadRecord => "wal.segment.bad-record",
        WalValidationProblem.BadCrc => "wal.segment.bad-crc",
        WalValidationProblem.UnexpectedEnd => "wal.segment.unexpected-end",
        WalValidationProblem.ForeignByteOrder => "wal.segment.foreign-byte-order",
        WalValidationProblem.UnknownVersion => "wal.segment.unknown-version",
        WalValidationProblem.BrokenChain => "wal.segment.broken-chain",
        WalValidationProblem.BadText => "wal.text.invalid",
        _ => throw new ArgumentOutOfRangeException(nameof(problem), problem, null),
    };

    private static string HintFor(WalValidationProblem problem) => problem switch
    {
        WalValidationProblem.ForeignCluster =>
            "Give every cluster its own archive; after pg_upgrade or initdb start a new one.",
        WalValidationProblem.WrongTimeline or WalValidationProblem.WrongAddress =>
            "The file was renamed or recycled; fetch it again from where it was written.",
        WalValidationProblem.WrongSize or WalValidationProblem.UnexpectedEnd =>
            "The file is incomplete or was never finished; fetch it again, or use a '.partial' name for an unfinished segment.",
        WalValidationProblem.WrongVersion or WalValidationProblem.UnknownVersion =>
            $"This package reads the WAL of PostgreSQL {Shared.PgMajor.Range}; check which version wrote the file.",
        WalValidationProblem.ForeignByteOrder =>
            "Read the file on a machine of the byte order that wrote it.",
        WalValidationProblem.BrokenChain =>
            "Check that both segments come from the same timeline path of the same cluster.",
        WalValidationProblem.BadText =>
            "Fetch the file again from the server that wrote it.",
        _ => "The file is damaged; take another copy, check disk and memory of the host, and make a new base backup if there is none.",
    };
}
