using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Observer that counts records and remembers the first and the last commit; passes each record on when somebody else wants to see it.</summary>
internal sealed class SegmentTally(SegmentIdentity segment, IRecordObserver? next) : IRecordObserver
{
    /// <summary>Bytes behind the header that tell the time of a commit.</summary>
    // Origin (3) + top-level xid (5) + main data header (5) + time (8), rounded up.
    public const int EnoughForTime = 32;

    private long _firstCommit;
    private long _lastCommit;
    private bool _hasCommit;

    public long Records { get; private set; }

    /// <summary>First record that starts in the segment.</summary>
    public ulong? FirstRecord { get; private set; }

    public ulong? LastRecord { get; private set; }

    public DateTimeOffset? FirstCommit => _hasCommit ? BodyCursor.TimeOf(_firstCommit) : null;

    public DateTimeOffset? LastCommit => _hasCommit ? BodyCursor.TimeOf(_lastCommit) : null;

    public void OnSegmentStart(PgMajor major) => next?.OnSegmentStart(major);

    public int BytesNeeded(in RecordHeader header) => next?.BytesNeeded(header) ?? EnoughForTime;

    public void OnRecord(in RecordHeader header, ulong start, ulong end, ReadOnlySpan<byte> body)
    {
        Records++;
        LastRecord = start;
        if (FirstRecord is null && start >= segment.Start)
            FirstRecord = start;

        if (header.Rmgr == RmgrId.Transaction && TransactionEnd.TryReadCommitTime(header, body, out var time))
        {
            _firstCommit = _hasCommit ? _firstCommit : time;
            _lastCommit = time;
            _hasCommit = true;
        }

        next?.OnRecord(header, start, end, body);
    }
}
