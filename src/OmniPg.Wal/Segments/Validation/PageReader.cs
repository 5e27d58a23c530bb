namespace OmniPg.Wal;

/// <summary>First stage: cuts a stream of bytes into pages, checks their headers, and passes on what lies between the headers.</summary>
internal sealed class PageReader(SegmentIdentity segment, RecordAssembler records)
{
    private readonly byte[] _header = new byte[PageHeader.LongLength];
    private int _headerBytes;
    private long _offset;

    /// <summary>Whether the first page header was read and found right, so that segment size and start are known.</summary>
    public bool IsEstablished { get; private set; }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (IsEstablished && _offset == segment.Size)
            {
                throw segment.FaultAt(WalValidationProblem.WrongSize, _offset, $"the file is longer than the segment size '{segment.Size}'");
            }

            var taken = records.SwitchSeen ? TakeTail(bytes)
                : _headerBytes < HeaderLength ? TakeHeader(bytes)
                : TakePayload(bytes);
            _offset += taken;
            bytes = bytes[taken..];
            if (_offset % WalFormat.PageSize == 0)
                _headerBytes = 0;
        }
    }

    private int HeaderLength => _offset < WalFormat.PageSize ? PageHeader.LongLength : PageHeader.ShortLength;

    private int TakeHeader(ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(HeaderLength - _headerBytes, bytes.Length);
        bytes[..taken].CopyTo(_header.AsSpan(_headerBytes));
        _headerBytes += taken;
        if (_headerBytes == HeaderLength)
            StartPage(_offset + taken - _headerBytes);

        return taken;
    }

    private void StartPage(long pageOffset)
    {
        if (pageOffset == 0)
            PageRules.Establish(segment, _header);

        var page = new PageHeader(_header);
        var position = segment.Start + (ulong)pageOffset;
        PageRules.Check(segment, page, position);
        if (pageOffset == 0)
            records.StartSegment();

        records.StartPage(page, position);
        IsEstablished = true;
    }

    private int TakePayload(ReadOnlySpan<byte> bytes)
    {
        var leftInPage = WalFormat.PageSize - (int)(_offset % WalFormat.PageSize);
        return records.Append(bytes[..Math.Min(leftInPage, bytes.Length)], segment.Start + (ulong)_offset);
    }

    /// <summary>Behind a switch record nothing follows, not even page headers.</summary>
    private int TakeTail(ReadOnlySpan<byte> bytes)
    {
        var tail = bytes[..(int)Math.Min(segment.Size - _offset, bytes.Length)];
        var stray = segment.Major.ZerosFollowSwitch ? tail.IndexOfAnyExcept((byte)0) : -1;
        return stray < 0
            ? tail.Length
            : throw segment.FaultAt(
                WalValidationProblem.BadRecord, _offset + stray, $"a byte behind the segment switch is '{tail[stray]:X2}' but zeros are expected");
    }
}
