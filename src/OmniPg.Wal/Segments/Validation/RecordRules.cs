namespace OmniPg.Wal;

/// <summary>What must be true of each record: a possible header, the back pointer to the record before, the CRC.</summary>
internal sealed class RecordRules(SegmentIdentity segment)
{
    private ulong _last;
    private bool _isLastKnown;
    private ulong? _overwritten;
    private bool _expectsOverwrite;

    public ulong? LastRecord => _isLastKnown ? _last : null;

    public void StartSegment()
    {
        if (segment.Previous?.LastRecord is { } last)
        {
            _last = (ulong)last;
            _isLastKnown = true;
        }
    }

    public void ForgetLastRecord() => _isLastKnown = false;

    /// <param name="abandoned">Start of the record given up, or <see langword="null"/> when it was not seen.</param>
    public void ExpectOverwrite(ulong? abandoned)
    {
        _expectsOverwrite = true;
        _overwritten = abandoned;
    }

    public void CheckLength(uint totalLength, ulong position)
    {
        if (totalLength is < RecordHeader.Length or > WalFormat.MaxRecordLength)
        {
            throw totalLength == 0
                ? segment.Fault(WalValidationProblem.UnexpectedEnd, position, "a record of length '0' ends the data, but not with a segment switch")
                : segment.Fault(WalValidationProblem.BadRecord, position, $"the record length '{totalLength}' is not possible");
        }
    }

    public void CheckHeader(in RecordHeader header, ulong position)
    {
        // The first record known of a segment points to one before the segment: whatever starts in the segment was seen.
        var isPreviousRight = _isLastKnown ? header.Previous == _last : header.Previous < segment.Start;
        if (!isPreviousRight || !segment.Major.IsPossibleRmgr(header.Rmgr))
            throw BadHeader(header, position, isPreviousRight);
    }

    public void CheckContent(in RecordHeader header, uint crc, ulong position, ReadOnlySpan<byte> body)
    {
        if (crc != header.Crc)
        {
            throw segment.Fault(WalValidationProblem.BadCrc, position, $"the CRC of the record is '{crc:X8}' but '{header.Crc:X8}' is expected");
        }

        if (_expectsOverwrite)
            CheckOverwrite(header, position, body);

        _last = position;
        _isLastKnown = true;
    }

    private void CheckOverwrite(in RecordHeader header, ulong position, ReadOnlySpan<byte> body)
    {
        _expectsOverwrite = false;
        if (!header.IsOverwriteContrecord)
            throw segment.Fault(WalValidationProblem.BadRecord, position, "the record before was given up, but no OVERWRITE_CONTRECORD record follows");

        if (_overwritten is { } abandoned && RecordDecoder.OverwrittenBy(body) is var target && target != abandoned)
        {
            throw segment.Fault(
                WalValidationProblem.BadRecord,
                position,
                $"the record gives up '{SegmentIdentity.Text(target ?? 0)}' but the unfinished record starts at '{SegmentIdentity.Text(abandoned)}'");
        }
    }

    private WalValidationException BadHeader(in RecordHeader header, ulong position, bool isPreviousRight)
    {
        if (isPreviousRight)
        {
            return segment.Fault(WalValidationProblem.BadRecord, position, $"the resource manager '{header.Rmgr}' is not possible");
        }

        var expected = _isLastKnown ? $"'{SegmentIdentity.Text(_last)}' is" : $"one before '{SegmentIdentity.Text(segment.Start)}' is";
        var isEdge = _isLastKnown && _last < segment.Start && segment.Previous is not null;
        return segment.Fault(
            isEdge ? WalValidationProblem.BrokenChain : WalValidationProblem.BadRecord,
            position,
            $"the record points back to '{SegmentIdentity.Text(header.Previous)}' but {expected} expected");
    }
}
