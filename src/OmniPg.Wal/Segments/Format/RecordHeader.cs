using static System.Buffers.Binary.BinaryPrimitives;

namespace OmniPg.Wal;

/// <summary>Header of a record (<c>XLogRecord</c>).</summary>
internal readonly struct RecordHeader(ReadOnlySpan<byte> bytes)
{
    public const int Length = 24;

    /// <summary>The CRC covers the header up to itself, after the body.</summary>
    public const int CrcOffset = 20;

    public readonly uint TotalLength = ReadUInt32LittleEndian(bytes);
    public readonly uint Xid = ReadUInt32LittleEndian(bytes[4..]);
    public readonly ulong Previous = ReadUInt64LittleEndian(bytes[8..]);
    public readonly byte Info = bytes[16];
    public readonly byte Rmgr = bytes[17];
    public readonly uint Crc = ReadUInt32LittleEndian(bytes[CrcOffset..]);

    /// <summary>The part of <see cref="Info"/> that belongs to the resource manager (the low bits are the WAL machinery's).</summary>
    public int Operation => Info & 0xF0;

    public bool IsSwitch => Rmgr == RmgrId.Xlog && Operation == XlogOperation.Switch;

    public bool IsOverwriteContrecord => Rmgr == RmgrId.Xlog && Operation == XlogOperation.OverwriteContrecord;
}
