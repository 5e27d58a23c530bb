using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Sees each record once its CRC was verified.</summary>
internal interface IRecordObserver
{
    /// <summary>Tells the version of the segment, before its first record.</summary>
    /// <param name="major">The version.</param>
    void OnSegmentStart(PgMajor major);

    /// <summary>How many bytes behind the record header the observer needs of a record that is split over pages. A contiguous record is always shown whole.</summary>
    /// <param name="header">Header of the record.</param>
    /// <returns>A limit; more may be shown.</returns>
    int BytesNeeded(in RecordHeader header);

    /// <summary>Takes one verified record.</summary>
    /// <param name="header">Header of the record.</param>
    /// <param name="start">WAL position of its first byte.</param>
    /// <param name="end">WAL position behind its last byte, aligned to 8.</param>
    /// <param name="body">The bytes behind the header; valid only during the call.</param>
    void OnRecord(in RecordHeader header, ulong start, ulong end, ReadOnlySpan<byte> body);
}
