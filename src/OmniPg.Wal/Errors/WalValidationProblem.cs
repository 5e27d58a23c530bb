namespace OmniPg.Wal;

/// <summary>What is wrong with a WAL file that failed validation. The member decides <see cref="OmniPgException.Code"/> of the <see cref="WalValidationException"/>.</summary>
public enum WalValidationProblem
{
    /// <summary>The system identifier is not the expected one: the file was written by another cluster.</summary>
    ForeignCluster,

    /// <summary>A page carries a timeline that cannot stand in a file of this name.</summary>
    WrongTimeline,

    /// <summary>The segment or its header has another size than expected, or the file is longer than one segment.</summary>
    WrongSize,

    /// <summary>The content starts at another WAL position than the file name says.</summary>
    WrongAddress,

    /// <summary>The file was written by another major version of PostgreSQL than expected.</summary>
    WrongVersion,

    /// <summary>The first page header is not that of a WAL segment.</summary>
    BadHeader,

    /// <summary>A later page header is wrong (flags, address, continuation length).</summary>
    BadPage,

    /// <summary>A record header is impossible, or bytes that must be zero are not.</summary>
    BadRecord,

    /// <summary>The CRC-32C of a record does not match its content.</summary>
    BadCrc,

    /// <summary>The data ends before the end of the segment: a truncated file, zeros or recycled content.</summary>
    UnexpectedEnd,

    /// <summary>The file was written on a machine of the other byte order.</summary>
    ForeignByteOrder,

    /// <summary>The page magic belongs to no PostgreSQL version known to this package.</summary>
    UnknownVersion,

    /// <summary>The segment does not continue the segment before it.</summary>
    BrokenChain,

    /// <summary>A timeline history or backup history file cannot be parsed, or contradicts its name.</summary>
    BadText,
}
