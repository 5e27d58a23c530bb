using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The state of the chain before a segment, from the segments that lie beside it in <c>pg_wal</c>, for a process that sees one segment only.
/// The record that crosses the edge is found without reading the segment before: the record behind it, in this segment, points back to its start.
/// </summary>
internal sealed class NeighbourState : IDisposable
{
    private readonly string _path;
    private readonly WalFileName _file;
    private readonly byte[] _page = new byte[WalFormat.PageSize];
    private SafeFileHandle? _open;
    private ulong _openSegment;
    private PgMajor _major = null!;
    private PageHeader _first;
    private LongPageHeader _long;

    private NeighbourState(string path, WalFileName file) => (_path, _file) = (path, file);

    private uint Size => _long.SegmentSize;

    /// <summary>Reads little more than the record that crosses the edge.</summary>
    /// <returns>Null when none does, and when the files beside do not tell how it begins: recycled, damaged, or a record longer than this segment.</returns>
    public static WalChainState? Find(string path, WalFileName file) => Use(path, file, static n => n.BackPointer() is { } start ? n.ReadFrom(start) : null);

    /// <summary>Reads the whole segment before, for the rare record that <see cref="Find"/> cannot see.</summary>
    /// <returns>Null when no record crosses the edge, and when the segment before is gone or damaged.</returns>
    public static WalChainState? FindByReading(string path, WalFileName file) => Use(path, file, static n => n.ReadWhole());

    public void Dispose() => _open?.Dispose();

    private static WalChainState? Use(string path, WalFileName file, Func<NeighbourState, WalChainState?> find)
    {
        using var neighbour = new NeighbourState(path, file);
        try
        {
            return neighbour.Begin() ? find(neighbour) : null;
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException or WalValidationException)
        {
            // The server recycles what is archived at any moment; without the neighbour the summary says what was not checked.
            return null;
        }
    }

    /// <returns>Whether the segment begins with the rest of a record.</returns>
    private bool Begin()
    {
        using var file = Open(_path);
        if (RandomAccess.Read(file, _page.AsSpan(0, PageHeader.LongLength), 0) < PageHeader.LongLength)
            return false;
        (_first, _long) = (new PageHeader(_page), new LongPageHeader(_page));
        if (PgMajor.OfMagic(_first.Magic) is not { } major || !_first.IsLong || !_first.IsContinuation || !WalSegmentSize.IsValid(Size) || _first.Address % Size != 0)
            return false;
        _major = major;
        return _first.Address >= Size && _file.Fits(WalSegmentSize.FromBytes((int)Size));
    }

    /// <summary>What the first record that starts in this segment says about the start of the record before it.</summary>
    private ulong? BackPointer()
    {
        var position = _first.Address + PageHeader.LongLength;
        long left = _first.Remaining;
        for (long room; left > (room = WalFormat.PageSize - (long)(position % WalFormat.PageSize)); left -= room)
            position += (ulong)room + PageHeader.ShortLength;
        position = SkipHeader(WalFormat.Align(position + (ulong)left));
        Span<byte> header = stackalloc byte[16];
        for (var taken = 0; taken < header.Length;)
        {
            if (position >= _first.Address + Size || Payload(position) is not { IsEmpty: false } payload)
                return null;
            var count = Math.Min(payload.Length, header.Length - taken);
            payload[..count].CopyTo(header[taken..]);
            taken += count;
            position = SkipHeader(position + (ulong)count);
        }

        var back = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        var isPossible = back < _first.Address && back % WalFormat.Alignment == 0 && _first.Address - back < 2UL * WalFormat.MaxRecordLength
            && SkipHeader(back) == back && back % WalFormat.PageSize >= PageHeader.ShortLength;
        return isPossible ? back : null;
    }

    private WalChainState? ReadFrom(ulong start)
    {
        var record = new SplitRecord();
        record.Open(start);
        for (var position = start; position < _first.Address;)
        {
            var payload = Payload(position);
            if (payload.IsEmpty)
                return null;
            position = SkipHeader(position + (ulong)payload.Length);
            while (!payload.IsEmpty)
            {
                payload = payload[(record.IsHeaderComplete ? record.TakeBody(payload) : TakeHeader(record, payload))..];
                // Not the record that this segment continues: one of the two segments is damaged, and reading both will tell.
                if (record.IsLengthKnown && (record.TotalLength is < RecordHeader.Length or > WalFormat.MaxRecordLength || record.Remaining <= 0))
                    return null;
            }
        }

        return record.IsLengthKnown && record.Remaining == _first.Remaining
            ? new WalChainState(_first.Address, _long.SystemIdentifier, (int)Size, _first.Timeline, null, record)
            : null;
    }

    private static int TakeHeader(SplitRecord record, ReadOnlySpan<byte> payload)
    {
        var taken = record.TakeHeader(payload);
        if (record.IsHeaderComplete)
            record.ExpectBody(SegmentTally.EnoughForTime);
        return taken;
    }

    private WalChainState? ReadWhole()
    {
        var before = (_first.Address / Size) - 1;
        using var file = Open(PathOf(before));
        var expectations = new WalExpectations { SystemIdentifier = _long.SystemIdentifier, SegmentSize = (int)Size };
        var validator = new WalSegmentValidator(NameOf(before, _first.Timeline), WalValidation.Full, expectations);
        var buffer = new byte[128 * 1024];
        for (long offset = 0; RandomAccess.Read(file, buffer, offset) is var count and > 0; offset += count)
            validator.Append(buffer.AsSpan(0, count));
        return validator.Complete().Next;
    }

    /// <summary>The bytes from a position to the end of its page; empty when the page is not there or is not this WAL.</summary>
    private ReadOnlySpan<byte> Payload(ulong position)
    {
        var offset = (int)(position % WalFormat.PageSize);
        var pageStart = position - (ulong)offset;
        if (_open is null || _openSegment != position / Size)
        {
            _open?.Dispose();
            _openSegment = position / Size;
            _open = Open(_openSegment == _first.Address / Size ? _path : PathOf(_openSegment));
        }

        if (RandomAccess.Read(_open, _page, (long)(pageStart % Size)) < _page.Length)
            return [];
        var page = new PageHeader(_page);
        var isThis = page.Magic == _major.Magic && page.Address == pageStart && page.IsLong == (pageStart % Size == 0);
        return isThis && (!page.IsLong || new LongPageHeader(_page).SystemIdentifier == _long.SystemIdentifier) ? _page.AsSpan(offset) : [];
    }

    private ulong SkipHeader(ulong position) => position % WalFormat.PageSize != 0 ? position
        : position + (uint)(position % Size == 0 ? PageHeader.LongLength : PageHeader.ShortLength);

    // The segment before that of a new timeline has the name of the old one, which is that of the first page here.
    private string PathOf(ulong segment)
    {
        var path = Path.Combine(Path.GetDirectoryName(_path)!, NameOf(segment, _first.Timeline).ToString());
        return File.Exists(path) ? path : Path.Combine(Path.GetDirectoryName(_path)!, NameOf(segment, _file.Timeline).ToString());
    }

    private WalFileName NameOf(ulong segment, uint timeline) => WalFileName.ForSegmentNumber(timeline, segment, WalSegmentSize.FromBytes((int)Size));

    private static SafeFileHandle Open(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
}
