namespace OmniPg.Wal;

/// <summary>The four kinds of file that PostgreSQL hands to <c>archive_command</c>.</summary>
public enum WalFileKind
{
    /// <summary>A complete segment: 24 hexadecimal digits.</summary>
    Segment,

    /// <summary>The last, incomplete segment of an ended timeline, or a segment still being received: <c>SEGMENT.partial</c>.</summary>
    Partial,

    /// <summary>The label of a finished base backup: <c>SEGMENT.OFFSET.backup</c>.</summary>
    BackupHistory,

    /// <summary>The ancestors of a timeline: <c>TTTTTTTT.history</c>.</summary>
    TimelineHistory,
}
