using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>Validates a segment: bytes → <see cref="PageReader"/> → <see cref="RecordAssembler"/> → <see cref="SegmentTally"/>, and the rules for where it may end.</summary>
internal sealed class SegmentContentCheck : WalSegmentValidator.IContentCheck
{
    private readonly SegmentIdentity _segment;
    private readonly RecordAssembler _records;
    private readonly PageReader _pages;
    private readonly SegmentTally _tally;
    private readonly bool _isHeaderEnough;
    private readonly bool _mayEndEarly;
    private WalValidation _level;
    private string? _endReason;
    private long _bytes;

    public SegmentContentCheck(WalFileName? name, WalValidation level, WalExpectations expectations, IRecordObserver? observer)
    {
        _level = level;
        _isHeaderEnough = expectations.UnknownVersionByHeader && observer is null;
        _mayEndEarly = expectations.AllowShort || name is { Kind: WalFileKind.Partial };
        _segment = new SegmentIdentity(name, expectations);
        _tally = new SegmentTally(_segment, observer);
        _records = new RecordAssembler(_segment, _tally);
        _pages = new PageReader(_segment, _records);
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (!_pages.IsEstablished)
            bytes = AppendHeader(bytes);

        _bytes += bytes.Length;
        if (_endReason is null && _level == WalValidation.Full)
            AppendToPages(bytes);

        if (_pages.IsEstablished && _bytes > _segment.Size)
        {
            throw _segment.FaultAt(WalValidationProblem.WrongSize, _segment.Size, $"the file is longer than the segment size '{_segment.Size}'");
        }
    }

    public WalValidationResult Complete()
    {
        if (!_pages.IsEstablished)
        {
            throw _segment.FaultAt(
                WalValidationProblem.UnexpectedEnd, _bytes, $"the file has '{_bytes}' bytes, less than the header of a segment");
        }

        if (_bytes < _segment.Size && !_mayEndEarly)
        {
            throw _segment.FaultAt(WalValidationProblem.UnexpectedEnd, _bytes, $"the file has '{_bytes}' bytes but the segment size is '{_segment.Size}'");
        }

        if (_bytes < _segment.Size)
        {
            _endReason ??= $"the file has '{_bytes}' of '{_segment.Size}' bytes";
        }

        return Summarize();
    }

    // What is an error in a complete segment is the end of the data in an unfinished one: nobody can tell damage from bytes never written.
    private void AppendToPages(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _pages.Append(bytes);
        }
        catch (WalValidationException error) when (_mayEndEarly && _pages.IsEstablished && error.Problem != WalValidationProblem.WrongSize)
        {
            _endReason = error.Reason;
        }
    }

    /// <returns>The bytes behind the first page header.</returns>
    private ReadOnlySpan<byte> AppendHeader(ReadOnlySpan<byte> bytes)
    {
        var header = bytes[..(int)Math.Min(PageHeader.LongLength - _bytes, bytes.Length)];
        _bytes += header.Length;
        AppendToPages(header);
        if (_pages.IsEstablished && _segment.Major.IsAssumed && _isHeaderEnough)
            _level = WalValidation.Header;

        return bytes[header.Length..];
    }

    private WalValidationResult Summarize()
    {
        var isRead = _level == WalValidation.Full;
        var end = !isRead ? WalSegmentEnd.NotRead
            : _endReason is not null ? WalSegmentEnd.Early
            : _records.SwitchSeen ? WalSegmentEnd.Switch
            : WalSegmentEnd.Segment;
        return new WalValidationResult
        {
            Kind = _segment.Name?.Kind ?? WalFileKind.Segment,
            Level = _level,
            Bytes = _bytes,
            Magic = _segment.Major.Magic,
            PgMajor = _segment.Major.Number,
            SystemIdentifier = _segment.SystemIdentifier,
            FirstTli = _segment.FirstTimeline,
            LastTli = _segment.LastTimeline,
            SegmentSize = _segment.Size,
            Records = _tally.Records,
            FirstRecord = AsLsn(_tally.FirstRecord),
            LastRecord = AsLsn(_tally.LastRecord),
            EndOfValid = new NpgsqlLogSequenceNumber(_records.EndOfValid),
            FirstCommit = _tally.FirstCommit,
            LastCommit = _tally.LastCommit,
            End = end,
            EndReason = isRead ? _endReason : null,
            ContinuesInNextBytes = end == WalSegmentEnd.Segment ? _records.Open?.Remaining ?? 0 : 0,
            UncheckedUntil = isRead ? AsLsn(_records.Open is { IsKnown: false } ? _segment.End : _records.UncheckedUntil) : null,
            EdgesUnchecked = !isRead || _segment.Previous is null,
            Next = end is WalSegmentEnd.Segment or WalSegmentEnd.Switch ? ChainState() : null,
        };
    }

    private WalChainState ChainState() => new(
        _segment.End, _segment.SystemIdentifier, _segment.Size, _segment.LastTimeline, _records.LastRecord, _records.Open?.Snapshot());

    private static NpgsqlLogSequenceNumber? AsLsn(ulong? position) => position is { } at ? new NpgsqlLogSequenceNumber(at) : null;
}
