namespace OmniPg.Wal;

/// <summary>What is known about the cluster before a WAL file is validated. Every member left <see langword="null"/> is taken from the file and not compared.</summary>
public sealed record WalExpectations
{
    /// <summary>Nothing is known; used where an argument is optional.</summary>
    public static WalExpectations Any { get; } = new();

    /// <summary>System identifier of the cluster (<see cref="PgControlFile.SystemIdentifier"/>).</summary>
    public ulong? SystemIdentifier { get; init; }

    /// <summary>Segment size of the cluster in bytes.</summary>
    public int? SegmentSize { get; init; }

    /// <summary>Major version of the server that wrote the file.</summary>
    public int? PgMajor { get; init; }

    /// <summary>Whether a page magic unknown to this package is read like the newest known format instead of being refused. Default <see langword="false"/>.</summary>
    public bool AllowUnknownVersion { get; init; }

    /// <summary>Whether only the first page header of a segment of an unknown version is checked: a format that changed must not make a good segment look damaged.</summary>
    internal bool UnknownVersionByHeader { get; init; }

    /// <summary>These, with segments of unknown versions checked as far as that is possible.</summary>
    internal WalExpectations WithUnknownVersions() => this with { AllowUnknownVersion = true, UnknownVersionByHeader = true };

    /// <summary>
    /// State at the end of the segment before (<see cref="WalValidationResult.Next"/>). Needed to check a record split over the edge.
    /// Ignored when it does not end where this segment starts, or on the timeline of its first page; <see cref="WalValidationResult.EdgesUnchecked"/> then says so.
    /// </summary>
    public WalChainState? Previous { get; init; }

    /// <summary>
    /// Whether the data may end anywhere behind the first page header: what would be an error later only ends the valid data.
    /// Always so for <c>.partial</c> files; set it for a segment that a server still writes. Default <see langword="false"/>.
    /// </summary>
    public bool AllowShort { get; init; }
}
