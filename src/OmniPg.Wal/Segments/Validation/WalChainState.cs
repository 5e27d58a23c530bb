using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>State of the chain of records at the end of a fully validated segment, with which the next segment can be checked without a seam. Immutable.</summary>
public sealed class WalChainState
{
    internal WalChainState(ulong end, ulong systemIdentifier, int segmentSize, uint timeline, ulong? lastRecord, SplitRecord? split)
    {
        End = new NpgsqlLogSequenceNumber(end);
        SystemIdentifier = systemIdentifier;
        SegmentSize = segmentSize;
        Timeline = timeline;
        LastRecord = lastRecord is { } last ? new NpgsqlLogSequenceNumber(last) : null;
        Split = split;
    }

    /// <summary>First WAL position of the next segment.</summary>
    public NpgsqlLogSequenceNumber End { get; }

    /// <summary>System identifier of the cluster.</summary>
    public ulong SystemIdentifier { get; }

    /// <summary>Segment size in bytes.</summary>
    public int SegmentSize { get; }

    /// <summary>Timeline of the last valid page.</summary>
    public uint Timeline { get; }

    /// <summary>Start of the last complete record; <see langword="null"/> when it is not known because a record without known start covers the segment.</summary>
    public NpgsqlLogSequenceNumber? LastRecord { get; }

    /// <summary>Bytes of the record split over the edge that the next segment must hold; 0 when none is split.</summary>
    public int ContinuesInNextBytes => Split?.Remaining ?? 0;

    internal SplitRecord? Split { get; }
}
