using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>
/// What <c>global/pg_control</c> says about a cluster: identity, timeline, last checkpoint. Reads the file itself, so no <c>pg_controldata</c> is needed.
/// Of the versions that the table in <c>docs/wal-reader.md</c> names. Immutable.
/// </summary>
public sealed partial class PgControlFile
{
    private PgControlFile()
    {
    }

    /// <summary>Path below the data directory.</summary>
    public static string RelativePath { get; } = Path.Combine("global", "pg_control");

    /// <summary>Identifier that <c>initdb</c> gave to the cluster; stands in every WAL segment.</summary>
    public ulong SystemIdentifier { get; private init; }

    /// <summary>Version of the file format (<c>PG_CONTROL_VERSION</c>), for example 1300.</summary>
    public uint ControlVersion { get; private init; }

    /// <summary>Version of the system catalogs (<c>CATALOG_VERSION_NO</c>), for example 202209061.</summary>
    public uint CatalogVersion { get; private init; }

    /// <summary>Major version of the server, or <see langword="null"/> when neither version number of the file tells it (a development build of 13 to 16).</summary>
    public int? PgMajor { get; private init; }

    /// <summary>State when the file was last written.</summary>
    public PgClusterState State { get; private init; }

    /// <summary>Position of the latest checkpoint (or restart point) record.</summary>
    public NpgsqlLogSequenceNumber Checkpoint { get; private init; }

    /// <summary>Where replay starts after a crash: WAL before it is no longer needed by this server (<c>Latest checkpoint's REDO location</c>).</summary>
    public NpgsqlLogSequenceNumber Redo { get; private init; }

    /// <summary>Timeline of the latest checkpoint (<c>Latest checkpoint's TimeLineID</c>).</summary>
    public uint Timeline { get; private init; }

    /// <summary>Timeline before, different from <see cref="Timeline"/> only right after a switch (<c>Latest checkpoint's PrevTimeLineID</c>).</summary>
    public uint PreviousTimeline { get; private init; }

    /// <summary>Up to where a standby must replay before it is consistent; 0/0 on a primary.</summary>
    public NpgsqlLogSequenceNumber MinRecoveryPoint { get; private init; }

    /// <summary>Timeline of <see cref="MinRecoveryPoint"/>; 0 on a primary.</summary>
    public uint MinRecoveryTimeline { get; private init; }

    /// <summary><c>wal_level</c> that the running server last used: 0 minimal, 1 replica, 2 logical.</summary>
    public int WalLevel { get; private init; }

    /// <summary>Segment size in bytes.</summary>
    public int SegmentSize { get; private init; }

    /// <summary>Version of the data page checksums; 0 when they are off.</summary>
    public uint DataChecksumVersion { get; private init; }

    /// <summary>Name of the segment that holds <see cref="Redo"/>, below which WAL is no longer needed (<c>Latest checkpoint's REDO WAL file</c>).</summary>
    public WalFileName RedoSegment => WalFileName.ForLsn(Timeline, Redo, WalSegmentSize.FromBytes(SegmentSize));

    /// <summary>What a WAL file of this cluster must look like.</summary>
    /// <returns>Expectations with system identifier, segment size and, when known, the major version.</returns>
    public WalExpectations ToExpectations() => new() { SystemIdentifier = SystemIdentifier, SegmentSize = SegmentSize, PgMajor = IsKnownVersion ? PgMajor : null };

    /// <summary>The identity of a cluster as its server tells it, where the file itself cannot be read.</summary>
    internal static PgControlFile OfServer(ulong systemIdentifier, int segmentSize, int major, uint timeline) => new()
    {
        SystemIdentifier = systemIdentifier,
        SegmentSize = segmentSize,
        PgMajor = major,
        Timeline = timeline,
        IsKnownVersion = OmniPg.Shared.PgMajor.Known.Any(known => known.Number == major),
    };

    /// <summary>Whether the layout of the file is known; else only what never moved was read (<see cref="ReadNewer"/>).</summary>
    internal bool IsKnownVersion { get; private init; } = true;
}
