namespace OmniPg.Wal;

/// <summary>
/// Second stage: makes records out of the payload of pages and checks each. Between two calls it is in one of three states:
/// between records, inside a record (<see cref="SplitRecord"/>), or inside the zeros that align the next record.
/// </summary>
internal sealed class RecordAssembler(SegmentIdentity segment, IRecordObserver observer)
{
    private readonly SplitRecord _split = new();
    private readonly RecordRules _rules = new(segment);
    private int _padding;

    /// <summary>Whether a switch record was read: the records of this segment are at their end.</summary>
    public bool SwitchSeen { get; private set; }

    /// <summary>End of the last verified record, aligned.</summary>
    public ulong EndOfValid { get; private set; }

    /// <summary>End of the record that began before and whose beginning is not known.</summary>
    public ulong? UncheckedUntil { get; private set; }

    public ulong? LastRecord => _rules.LastRecord;

    /// <summary>The record in which the payload ended, or <see langword="null"/> between records.</summary>
    public SplitRecord? Open => _split.IsOpen ? _split : null;

    /// <summary>Takes over from the segment before, if its state is known.</summary>
    public void StartSegment()
    {
        EndOfValid = segment.Start;
        _rules.StartSegment();
        observer.OnSegmentStart(segment.Major);
        if (segment.Previous?.Split is { } split)
            _split.CopyFrom(split);
    }

    /// <summary>Compares what a page header says about a continued record with the record at hand.</summary>
    public void StartPage(in PageHeader page, ulong position)
    {
        switch (ContinuationRules.Judge(segment, page, position, Open))
        {
            case ContinuationRules.Judgement.Abandoned:
                _rules.ExpectOverwrite(_split.IsOpen && _split.IsKnown ? _split.Start : null);
                _split.Close();
                break;
            case ContinuationRules.Judgement.Unseen:
                _rules.ForgetLastRecord();
                _split.OpenUnknown((int)page.Remaining);
                break;
        }
    }

    /// <summary>Takes payload of one page.</summary>
    /// <returns>Bytes taken: all of them, unless a switch record ends the segment.</returns>
    public int Append(ReadOnlySpan<byte> payload, ulong position)
    {
        var taken = 0;
        while (taken < payload.Length && !SwitchSeen)
        {
            var rest = payload[taken..];
            var at = position + (uint)taken;
            taken += _padding > 0 ? TakePadding(rest, at)
                : _split.IsOpen ? Continue(rest, at)
                : Begin(rest, at);
        }

        return taken;
    }

    private int Begin(ReadOnlySpan<byte> bytes, ulong position)
    {
        if (bytes.Length >= RecordHeader.Length)
        {
            var header = new RecordHeader(bytes);
            if (header.TotalLength <= (uint)bytes.Length)
                return TakeWhole(header, bytes, position);
        }

        _split.Open(position);
        return Continue(bytes, position);
    }

    private int TakeWhole(in RecordHeader header, ReadOnlySpan<byte> bytes, ulong position)
    {
        _rules.CheckLength(header.TotalLength, position);
        _rules.CheckHeader(header, position);
        var length = (int)header.TotalLength;
        var body = bytes[RecordHeader.Length..length];
        var crc = Crc32C.Append(Crc32C.Append(Crc32C.Start, body), bytes[..RecordHeader.CrcOffset]);
        Accept(header, Crc32C.Finish(crc), position, position + (uint)length, body);
        return length;
    }

    private int Continue(ReadOnlySpan<byte> bytes, ulong position)
    {
        int taken;
        if (!_split.IsKnown)
        {
            taken = _split.Skip(bytes);
        }
        else if (!_split.IsHeaderComplete)
        {
            taken = ContinueHeader(bytes);
        }
        else
        {
            taken = _split.TakeBody(bytes);
        }

        if (_split.IsLengthKnown && _split.Remaining == 0)
            Finish(position + (uint)taken);

        return taken;
    }

    private int ContinueHeader(ReadOnlySpan<byte> bytes)
    {
        var taken = _split.TakeHeader(bytes);
        if (_split.IsLengthKnown)
            _rules.CheckLength(_split.TotalLength, _split.Start);

        if (_split.IsHeaderComplete)
        {
            var header = _split.Header;
            _rules.CheckHeader(header, _split.Start);
            _split.ExpectBody(observer.BytesNeeded(header));
        }

        return taken;
    }

    private void Finish(ulong end)
    {
        _split.Close();
        if (_split.IsKnown)
        {
            Accept(_split.Header, _split.ComputedCrc, _split.Start, end, _split.Body);
        }
        else
        {
            _padding = (int)(WalFormat.Align(end) - end);
            UncheckedUntil = end;
        }
    }

    private void Accept(in RecordHeader header, uint crc, ulong start, ulong end, ReadOnlySpan<byte> body)
    {
        _rules.CheckContent(header, crc, start, body);
        var alignedEnd = WalFormat.Align(end);
        _padding = (int)(alignedEnd - end);
        EndOfValid = alignedEnd;
        SwitchSeen = header.IsSwitch;
        observer.OnRecord(header, start, alignedEnd, body);
    }

    // No CRC covers these bytes; the server zeroes each page before it fills it.
    private int TakePadding(ReadOnlySpan<byte> bytes, ulong position)
    {
        var taken = Math.Min(_padding, bytes.Length);
        var stray = bytes[..taken].IndexOfAnyExcept((byte)0);
        if (stray >= 0)
        {
            throw segment.Fault(
                WalValidationProblem.BadRecord, position + (uint)stray, $"a byte between two records is '{bytes[stray]:X2}' but zeros are expected");
        }

        _padding -= taken;
        return taken;
    }
}
