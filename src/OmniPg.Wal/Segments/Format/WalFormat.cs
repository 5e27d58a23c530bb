using System.Buffers.Binary;

namespace OmniPg.Wal.Segments;

/// <summary>What differs between the WAL of two server versions, by page magic (<c>XLOG_PAGE_MAGIC</c> in <c>xlog_internal.h</c>).</summary>
internal sealed record WalFormat(ushort Magic, int Major, ushort KnownFlags, ushort OverwriteFlag, byte LastBuiltInRmgr)
{
    public const int PageSize = 8192;
    public const int Alignment = 8;
    public const int MaxRecordLength = 1 << 30;

    public const ushort FirstIsContinuation = 0x0001;
    public const ushort LongHeader = 0x0002;

    private const ushort BackupRemovable = 0x0004;
    private const ushort FlagsTo12 = FirstIsContinuation | LongHeader | BackupRemovable;
    private const ushort Overwrite13 = 0x0008;
    private const ushort Overwrite19 = 0x0004;

    private static readonly WalFormat[] Known =
    [
        new(0xD097, 10, FlagsTo12, 0, 21),
        new(0xD098, 11, FlagsTo12, 0, 21),
        new(0xD101, 12, FlagsTo12, 0, 21),
        new(0xD106, 13, FlagsTo12 | Overwrite13, Overwrite13, 21),
        new(0xD10D, 14, FlagsTo12 | Overwrite13, Overwrite13, 21),
        new(0xD110, 15, FlagsTo12 | Overwrite13, Overwrite13, 21),
        new(0xD113, 16, FlagsTo12 | Overwrite13, Overwrite13, 21),
        new(0xD116, 17, FlagsTo12 | Overwrite13, Overwrite13, 21),
        new(0xD118, 18, FlagsTo12 | Overwrite13, Overwrite13, 21),
        new(0xD121, 19, FirstIsContinuation | LongHeader | Overwrite19, Overwrite19, 22),
    ];

    /// <summary>Custom resource managers exist since PostgreSQL 15, ids 128 to 255.</summary>
    public bool HasCustomRmgrs => Major >= 15 || IsAssumed;

    /// <summary>Before PostgreSQL 11 the pages behind a switch record keep their headers; since then they are zeros.</summary>
    public bool ZerosFollowSwitch => Major >= 11 || IsAssumed;

    /// <summary>Oldest version first.</summary>
    public static WalFormat? Find(ushort magic)
    {
        foreach (var format in Known)
        {
            if (format.Magic == magic)
            {
                return format;
            }
        }

        return null;
    }

    public static bool IsForeignByteOrder(ushort magic) => Find(BinaryPrimitives.ReverseEndianness(magic)) is not null;

    /// <summary>An unknown magic read like the newest format, with doubt about what differed before: flags and resource managers.</summary>
    public static WalFormat Assume(ushort magic) => Known[^1] with
    {
        Magic = magic,
        Major = 0,
        LastBuiltInRmgr = RmgrId.FirstCustom - 1,
        KnownFlags = FlagsTo12 | Overwrite13,
        OverwriteFlag = Overwrite13 | Overwrite19,
    };

    /// <summary>Whether the version is not known (<see cref="Assume"/>).</summary>
    public bool IsAssumed => Major == 0;

    public bool IsPossibleRmgr(byte id) => id <= LastBuiltInRmgr || (id >= RmgrId.FirstCustom && HasCustomRmgrs);

    public static ulong Align(ulong position) => (position + (Alignment - 1)) & ~(ulong)(Alignment - 1);

    public static int Align(int length) => (length + (Alignment - 1)) & ~(Alignment - 1);
}
