namespace OmniPg.Partman;

/// <summary>What the values of a partition key mean. Every kind but <see cref="Id"/> makes a set by time.</summary>
public enum PartitionKeyKind
{
    /// <summary>A number that grows: <c>smallint</c>, <c>integer</c>, <c>bigint</c> or <c>numeric</c>.</summary>
    Id,

    /// <summary>A moment: <c>timestamptz</c>, <c>timestamp</c> or <c>date</c>.</summary>
    Time,

    /// <summary>Seconds since 1970 in an integer column.</summary>
    EpochSeconds,

    /// <summary>Milliseconds since 1970 in a <c>bigint</c> column.</summary>
    EpochMilliseconds,

    /// <summary>Microseconds since 1970 in a <c>bigint</c> column.</summary>
    EpochMicroseconds,

    /// <summary>Nanoseconds since 1970 in a <c>bigint</c> column.</summary>
    EpochNanoseconds,

    /// <summary>A <c>uuid</c> of version 7, which begins with milliseconds since 1970 (RFC 9562).</summary>
    UuidV7,
}
