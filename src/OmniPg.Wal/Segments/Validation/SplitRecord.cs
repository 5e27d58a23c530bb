using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>A record that could not be taken in one piece, because it crosses a page, a buffer or a segment. One instance is reused for all such records of a segment.</summary>
internal sealed class SplitRecord
{
    private readonly byte[] _header = new byte[RecordHeader.Length];
    private byte[] _body = new byte[64];
    private int _headerBytes;
    private int _bodyLimit;
    private uint _crc;

    public bool IsOpen { get; private set; }

    /// <summary>Whether the beginning was seen. Without it the rest is only counted.</summary>
    public bool IsKnown { get; private set; }

    public ulong Start { get; private set; }

    /// <summary>Bytes still to come; meaningful once <see cref="IsLengthKnown"/>.</summary>
    public int Remaining { get; private set; }

    /// <summary>The length is in the first 4 bytes, which always lie on the page on which the record starts.</summary>
    public bool IsLengthKnown => !IsKnown || _headerBytes >= sizeof(uint);

    public bool IsHeaderComplete => _headerBytes == RecordHeader.Length;

    public uint TotalLength => BinaryPrimitives.ReadUInt32LittleEndian(_header);

    public RecordHeader Header => new(_header);

    /// <summary>The bytes behind the header, as many as the observer asked for.</summary>
    public ReadOnlySpan<byte> Body => _body.AsSpan(0, BodyBytes);

    public uint ComputedCrc => Crc32C.Finish(Crc32C.Append(_crc, _header.AsSpan(0, RecordHeader.CrcOffset)));

    private int BodyBytes { get; set; }

    public void Open(ulong start)
    {
        IsOpen = IsKnown = true;
        Start = start;
        _headerBytes = BodyBytes = Remaining = 0;
        _crc = Crc32C.Start;
    }

    public void OpenUnknown(int remaining)
    {
        IsOpen = true;
        IsKnown = false;
        Remaining = remaining;
    }

    public void Close() => IsOpen = false;

    /// <summary>Takes header bytes. <see cref="Remaining"/> is right after the caller accepted the length.</summary>
    public int TakeHeader(ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(RecordHeader.Length - _headerBytes, bytes.Length);
        bytes[..taken].CopyTo(_header.AsSpan(_headerBytes));
        _headerBytes += taken;
        if (IsLengthKnown)
            Remaining = (int)(TotalLength - (uint)_headerBytes);

        return taken;
    }

    public void ExpectBody(int bytesNeeded) => _bodyLimit = bytesNeeded;

    public int TakeBody(ReadOnlySpan<byte> bytes)
    {
        var part = bytes[..Math.Min(Remaining, bytes.Length)];
        _crc = Crc32C.Append(_crc, part);
        Keep(part[..Math.Min(_bodyLimit - BodyBytes, part.Length)]);
        Remaining -= part.Length;
        return part.Length;
    }

    public int Skip(ReadOnlySpan<byte> bytes)
    {
        var taken = Math.Min(Remaining, bytes.Length);
        Remaining -= taken;
        return taken;
    }

    /// <summary>A copy that later use of this instance does not change.</summary>
    public SplitRecord Snapshot()
    {
        var copy = new SplitRecord();
        copy.CopyFrom(this);
        return copy;
    }

    public void Write(BinaryWriter target)
    {
        target.Write(IsKnown);
        target.Write(Start);
        target.Write(Remaining);
        target.Write(_headerBytes);
        target.Write(_header);
        target.Write(_bodyLimit);
        target.Write(_crc);
        target.Write(BodyBytes);
        target.Write(Body);
    }

    public static SplitRecord Read(BinaryReader source)
    {
        var record = new SplitRecord { IsOpen = true, IsKnown = source.ReadBoolean(), Start = source.ReadUInt64(), Remaining = source.ReadInt32(), _headerBytes = source.ReadInt32() };
        source.BaseStream.ReadExactly(record._header);
        record._bodyLimit = source.ReadInt32();
        record._crc = source.ReadUInt32();
        record.BodyBytes = source.ReadInt32();
        record._body = source.ReadBytes(record.BodyBytes);
        return record;
    }

    public void CopyFrom(SplitRecord other)
    {
        other._header.CopyTo(_header.AsSpan());
        _body = other.Body.Length > _body.Length ? other.Body.ToArray() : _body;
        other.Body.CopyTo(_body);
        _headerBytes = other._headerBytes;
        _bodyLimit = other._bodyLimit;
        _crc = other._crc;
        IsOpen = other.IsOpen;
        IsKnown = other.IsKnown;
        Start = other.Start;
        Remaining = other.Remaining;
        BodyBytes = other.BodyBytes;
    }

    // Grows with what really arrives, never by the announced length: a forged length costs no memory.
    private void Keep(ReadOnlySpan<byte> part)
    {
        if (BodyBytes + part.Length > _body.Length)
            Array.Resize(ref _body, Math.Max(_body.Length * 2, BodyBytes + part.Length));

        part.CopyTo(_body.AsSpan(BodyBytes));
        BodyBytes += part.Length;
    }
}
