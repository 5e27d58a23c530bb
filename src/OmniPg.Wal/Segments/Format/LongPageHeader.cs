using static System.Buffers.Binary.BinaryPrimitives;

namespace OmniPg.Wal;

/// <summary>What the long header of a segment's first page adds (<c>XLogLongPageHeaderData</c>).</summary>
internal readonly struct LongPageHeader(ReadOnlySpan<byte> bytes)
{
    public readonly ulong SystemIdentifier = ReadUInt64LittleEndian(bytes[24..]);
    public readonly uint SegmentSize = ReadUInt32LittleEndian(bytes[32..]);
    public readonly uint BlockSize = ReadUInt32LittleEndian(bytes[36..]);
}
