namespace OmniPg.Shared;

/// <summary>
/// What <c>omnipg-wal</c> says besides. PostgreSQL counts a failed archive_command only between 1 and 125: above, its archiver dies and
/// monitoring sees nothing, so nothing but a stop signal ends there. <c>restore</c> has its own rule (<c>RestoreVerb</c>).
/// </summary>
internal static partial class ExitCodes
{
    /// <summary>A destination failed; for the other verbs: something cannot be read, or standard output takes not what was asked for.</summary>
    public const int DestinationFailed = 10;
    public const int TimedOut = 11;
    public const int Locked = 12;

    /// <summary>Wrong use of a verb that PostgreSQL calls.</summary>
    public const int Usage = 20;
    public const int ForeignCluster = 21;
    public const int Conflict = 22;
    public const int InvalidSegment = 23;
    public const int CodecOrKeyUnavailable = 24;
    public const int Interrupted = 130;
    public const int Terminated = 143;

    /// <summary>Trouble that must stop a recovery: PostgreSQL ends with FATAL and loses nothing.</summary>
    public const int StopRecovery = 255;

    /// <summary>By the stable code of an error, as it also comes from the resident process.</summary>
    public static int Of(string? code) => code switch
    {
        "wal.configuration" => Usage,
        "wal.locked" => Locked,
        "wal.destination.timeout" => TimedOut,
        "compression.unavailable" => CodecOrKeyUnavailable,
        "wal.segment.foreign-cluster" or "wal.archive.mismatch" => ForeignCluster,
        not null when code.StartsWith("wal.encryption.", StringComparison.Ordinal) => CodecOrKeyUnavailable,
        "wal.archive.conflict" => Conflict,
        "wal.text.invalid" => InvalidSegment,
        not null when code.StartsWith("wal.segment.", StringComparison.Ordinal) || code.StartsWith("wal.input.", StringComparison.Ordinal) => InvalidSegment,
        _ => DestinationFailed,
    };
}
