using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OmniPg.Wal;

/// <summary>The checksum of a data page (<c>pg_checksum_page</c> of <c>src/include/storage/checksum_impl.h</c>, PostgreSQL 9.3 to 19): 32 FNV-1a sums side by side, folded to 16 bits.</summary>
internal static class PageChecksum
{
    public const int PageBytes = FileIncrement.BlockBytes;

    // PageHeaderData (bufpage.h).
    private const int ChecksumOffset = 8;

    private const int Lanes = 4;
    private const int RowBytes = Lanes * 32;
    private const uint Prime = 16777619;
    private const int Shift = 17;

    private static ReadOnlySpan<uint> Offsets =>
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>The checksum that a page should have.</summary>
    /// <param name="page">The page.</param>
    /// <param name="block">Its number within the whole relation fork.</param>
    public static ushort Of(ReadOnlySpan<byte> page, uint block)
    {
        var sums = (Vector256.Create(Offsets), Vector256.Create(Offsets[8..]), Vector256.Create(Offsets[16..]), Vector256.Create(Offsets[24..]));
        // The sum counts as zero where it stands.
        Span<byte> head = stackalloc byte[RowBytes];
        page[..RowBytes].CopyTo(head);
        head.Slice(ChecksumOffset, sizeof(ushort)).Clear();
        Add(ref sums, head);
        for (var at = RowBytes; at < PageBytes; at += RowBytes)
            Add(ref sums, page.Slice(at, RowBytes));
        Span<byte> zeros = stackalloc byte[RowBytes];
        zeros.Clear();
        Add(ref sums, zeros);
        Add(ref sums, zeros);
        var folded = sums.Item1 ^ sums.Item2 ^ sums.Item3 ^ sums.Item4;
        var sum = block;
        for (var lane = 0; lane < Vector256<uint>.Count; lane++)
            sum ^= folded[lane];
        return (ushort)((sum % ushort.MaxValue) + 1);
    }

    /// <summary>The checksum that stands in a page.</summary>
    public static ushort In(ReadOnlySpan<byte> page) => BinaryPrimitives.ReadUInt16LittleEndian(page[ChecksumOffset..]);

    /// <summary>Position of the last WAL record that changed a page.</summary>
    public static ulong LsnOf(ReadOnlySpan<byte> page) => ((ulong)BinaryPrimitives.ReadUInt32LittleEndian(page) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(page[sizeof(uint)..]);

    private static void Add(ref (Vector256<uint>, Vector256<uint>, Vector256<uint>, Vector256<uint>) sums, ReadOnlySpan<byte> row)
    {
        var words = MemoryMarshal.Cast<byte, uint>(row);
        sums.Item1 = Mixed(sums.Item1, Vector256.Create(words));
        sums.Item2 = Mixed(sums.Item2, Vector256.Create(words[8..]));
        sums.Item3 = Mixed(sums.Item3, Vector256.Create(words[16..]));
        sums.Item4 = Mixed(sums.Item4, Vector256.Create(words[24..]));
    }

    // CHECKSUM_COMP.
    private static Vector256<uint> Mixed(Vector256<uint> sum, Vector256<uint> word)
    {
        var mixed = sum ^ word;
        return (mixed * Prime) ^ (mixed >>> Shift);
    }
}
