using System.Buffers.Binary;

namespace OmniPg;

/// <summary>The user-data frame that zstd and lz4 share (magic 0x184D2A50 to 0x184D2A5F, then a length): readers of both pass over it.</summary>
internal static class SkippableFrame
{
    private const int HeaderBytes = 8;

    /// <summary>Whether a file begins with such a frame.</summary>
    public static bool IsMagic(ReadOnlySpan<byte> start) => start.Length >= 4 && (BinaryPrimitives.ReadUInt32LittleEndian(start) & 0xFFFFFFF0) == 0x184D2A50;

    /// <summary>Passes over one such frame at the start of a file.</summary>
    /// <param name="start">The file's first bytes.</param>
    /// <param name="next">What follows the frame, empty when it lies beyond <paramref name="start"/>.</param>
    /// <returns>Whether the file begins with such a frame.</returns>
    public static bool TrySkip(ReadOnlySpan<byte> start, out ReadOnlySpan<byte> next)
    {
        next = default;
        if (!IsMagic(start))
            return false;
        if (start.Length < HeaderBytes)
            return true;
        var length = BinaryPrimitives.ReadUInt32LittleEndian(start[4..]) + (long)HeaderBytes;
        if (length < start.Length)
            next = start[(int)length..];
        return true;
    }
}
