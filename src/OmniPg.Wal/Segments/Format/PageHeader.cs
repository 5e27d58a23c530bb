using OmniPg.Shared;
using static System.Buffers.Binary.BinaryPrimitives;

namespace OmniPg.Wal;

/// <summary>Header at the start of each 8 KiB page (<c>XLogPageHeaderData</c>); the first page of a segment has the long form.</summary>
internal readonly struct PageHeader(ReadOnlySpan<byte> bytes)
{
    public const int ShortLength = 24;
    public const int LongLength = 40;

    public readonly ushort Magic = ReadUInt16LittleEndian(bytes);
    public readonly ushort Info = ReadUInt16LittleEndian(bytes[2..]);
    public readonly uint Timeline = ReadUInt32LittleEndian(bytes[4..]);
    public readonly ulong Address = ReadUInt64LittleEndian(bytes[8..]);
    public readonly uint Remaining = ReadUInt32LittleEndian(bytes[16..]);
    public readonly uint Padding = ReadUInt32LittleEndian(bytes[20..]);

    public bool IsContinuation => (Info & PgMajor.FirstIsContinuation) != 0;

    public bool IsLong => (Info & PgMajor.LongHeader) != 0;
}

/// <summary>What the long header of a segment's first page adds (<c>XLogLongPageHeaderData</c>).</summary>
internal readonly struct LongPageHeader(ReadOnlySpan<byte> bytes)
{
    public readonly ulong SystemIdentifier = ReadUInt64LittleEndian(bytes[24..]);
    public readonly uint SegmentSize = ReadUInt32LittleEndian(bytes[32..]);
    public readonly uint BlockSize = ReadUInt32LittleEndian(bytes[36..]);
}
