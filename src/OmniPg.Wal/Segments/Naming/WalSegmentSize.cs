using System.Numerics;

namespace OmniPg.Wal;

/// <summary>Size of the WAL segments of a cluster (<c>wal_segment_size</c>, fixed by <c>initdb --wal-segsize</c>): a power of two from 1 MiB to 1 GiB. The default value is 16 MiB.</summary>
public readonly record struct WalSegmentSize
{
    private const int DefaultBytes = 16 << 20;
    private const int MinimumBytes = 1 << 20;
    private const int MaximumBytes = 1 << 30;

    // Kept as a difference, so that default(WalSegmentSize) is the usual 16 MiB and equality stays that of the struct.
    private readonly int _differenceToDefault;

    private WalSegmentSize(int bytes) => _differenceToDefault = bytes ^ DefaultBytes;

    /// <summary>16 MiB, what <c>initdb</c> chooses.</summary>
    public static WalSegmentSize Default => default;

    /// <summary>Size of a segment in bytes.</summary>
    public int Bytes => _differenceToDefault ^ DefaultBytes;

    /// <summary>Number of segments that share one value of characters 9–16 of their names (2³² / size).</summary>
    public uint SegmentsPerLogId => (uint)((1L << 32) / Bytes);

    /// <summary>Makes a size from a number of bytes.</summary>
    /// <param name="bytes">A power of two from 1 MiB to 1 GiB.</param>
    /// <returns>The size.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bytes"/> is not such a power of two.</exception>
    public static WalSegmentSize FromBytes(long bytes) => IsValid(bytes)
        ? new WalSegmentSize((int)bytes)
        : throw new ArgumentOutOfRangeException(nameof(bytes), bytes, "A WAL segment size is a power of two from 1 MiB to 1 GiB.");

    /// <summary>Whether a number of bytes is a possible segment size.</summary>
    /// <param name="bytes">Any number.</param>
    /// <returns><see langword="true"/> for a power of two from 1 MiB to 1 GiB.</returns>
    public static bool IsValid(long bytes) => bytes is >= MinimumBytes and <= MaximumBytes && BitOperations.IsPow2(bytes);

    /// <summary>The size in the notation of <c>SHOW wal_segment_size</c>, for example <c>16MB</c> or <c>1GB</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => Bytes == MaximumBytes ? "1GB" : $"{Bytes >> 20}MB";
}
