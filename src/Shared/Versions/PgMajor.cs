using System.Buffers.Binary;

namespace OmniPg.Shared;

/// <summary>
/// One row per major version: everything that the packages know of a version stands here, and what is said about versions is made from it.
/// The rows of released versions were compared with servers; a preview row says what a server showed before its release and is to be compared again.
/// </summary>
/// <param name="Number">Such as 15; 0 for one that is not known (<see cref="Assume"/>).</param>
/// <param name="Magic">Magic of its WAL pages (<c>XLOG_PAGE_MAGIC</c> in <c>xlog_internal.h</c>).</param>
/// <param name="PageFlags">Flags that its page headers may carry (<c>XLP_ALL_FLAGS</c>).</param>
/// <param name="OverwriteFlag">The flag of a page that gives up an unfinished record (<c>XLP_FIRST_IS_OVERWRITE_CONTRECORD</c>); 0 for none.</param>
/// <param name="LastRmgr">The highest id of a built-in resource manager (<c>rmgrlist.h</c>).</param>
/// <param name="Control">Layout of its control file; null for versions whose WAL alone is read.</param>
/// <param name="CatalogVersion">Tells versions apart that share a layout (<c>CATALOG_VERSION_NO</c> in <c>catversion.h</c>); 0 where none is needed.</param>
internal sealed record PgMajor(int Number, ushort Magic, ushort PageFlags, ushort OverwriteFlag, byte LastRmgr, ControlFileLayout? Control, uint CatalogVersion = 0)
{
    // XLP_FIRST_IS_CONTRECORD, XLP_LONG_HEADER, XLP_BKP_REMOVABLE and XLP_FIRST_IS_OVERWRITE_CONTRECORD of xlog_internal.h.
    public const ushort FirstIsContinuation = 0x0001;
    public const ushort LongHeader = 0x0002;

    private const ushort FlagsTo12 = FirstIsContinuation | LongHeader | 0x0004;
    private const ushort Overwrite13 = 0x0008;
    private const ushort Flags13 = FlagsTo12 | Overwrite13;
    private const ushort Overwrite19 = 0x0004;
    private const byte LastRmgr10 = 21;
    /// <summary>RM_MIN_CUSTOM_ID (<c>rmgr.h</c> since PostgreSQL 15).</summary>
    public const byte FirstCustomRmgr = 128;

    private static readonly ControlFileLayout Control13 = new(1300, 136, 144, 172, 224, 228, 252, 288);

    /// <summary>Oldest version first.</summary>
    public static IReadOnlyList<PgMajor> Known { get; } =
    [
        new(10, 0xD097, FlagsTo12, 0, LastRmgr10, null),
        new(11, 0xD098, FlagsTo12, 0, LastRmgr10, null),
        new(12, 0xD101, FlagsTo12, 0, LastRmgr10, null),
        new(13, 0xD106, Flags13, Overwrite13, LastRmgr10, Control13, 202007201),
        new(14, 0xD10D, Flags13, Overwrite13, LastRmgr10, Control13, 202107181),
        new(15, 0xD110, Flags13, Overwrite13, LastRmgr10, Control13, 202209061),
        new(16, 0xD113, Flags13, Overwrite13, LastRmgr10, Control13, 202307071),
        new(17, 0xD116, Flags13, Overwrite13, LastRmgr10, Control13 with { Version = 1700 }),
        new(18, 0xD118, Flags13, Overwrite13, LastRmgr10, Control13 with { Version = 1800, Crc = 292 }),
        // Seen with 19rc1; its betas had 0xD120, 0xD121 and other layouts.
        new(19, 0xD122, FirstIsContinuation | LongHeader | Overwrite19, Overwrite19, LastRmgr10, new(1905, 144, 152, 180, 236, 240, 268, 308)) { IsPreview = true },
    ];

    /// <summary>Whether the version was not released when the row was written.</summary>
    public bool IsPreview { get; private init; }

    /// <summary>Whether the version is not known (<see cref="Assume"/>).</summary>
    public bool IsAssumed => Number == 0;

    /// <summary>Custom resource managers exist since PostgreSQL 15, ids 128 to 255.</summary>
    public bool HasCustomRmgrs => Number >= 15 || IsAssumed;

    /// <summary>Before PostgreSQL 11 the pages behind a switch record keep their headers; since then they are zeros.</summary>
    public bool ZerosFollowSwitch => Number >= 11 || IsAssumed;

    /// <summary>What this package reads, in words.</summary>
    public static string Range => string.Join(", ", Known.Where(m => m is { Control: not null, IsPreview: false }).Select(m => m.Number) is var released
        ? [$"{released.First()} to {released.Last()}", .. Known.Where(m => m.IsPreview).Select(m => $"{m.Number} as a preview")] : (string[])[]);

    /// <summary>The versions of control files that are understood, with their servers, in words.</summary>
    public static string ControlVersions => string.Join(", ", Known.Where(m => m.Control is not null).GroupBy(m => m.Control!.Version)
        .Select(g => $"'{g.Key}' (PostgreSQL {(g.Count() == 1 ? $"{g.First().Number}" : $"{g.First().Number} to {g.Last().Number}")})"));

    public static PgMajor? OfMagic(ushort magic)
    {
        // By hand: this runs for every segment, and a query would allocate.
        for (var i = 0; i < Known.Count; i++)
        {
            if (Known[i].Magic == magic)
                return Known[i];
        }

        return null;
    }

    public static ControlFileLayout? LayoutOf(uint controlVersion) => Known.FirstOrDefault(m => m.Control?.Version == controlVersion)?.Control;

    /// <returns>The major version; null when neither number tells it (a development build).</returns>
    public static int? OfControlFile(uint controlVersion, uint catalogVersion)
    {
        PgMajor[] possible = [.. Known.Where(m => m.Control?.Version == controlVersion)];
        return (possible.Length == 1 ? possible[0] : Array.Find(possible, m => m.CatalogVersion == catalogVersion))?.Number;
    }

    /// <summary>Whether a control file is of a version behind all that are known; below it, it is an old or a damaged one.</summary>
    public static bool IsNewer(uint controlVersion) => controlVersion > Known.Max(m => m.Control?.Version ?? 0) && controlVersion < 100_000;

    public static bool IsForeignByteOrder(ushort magic) => OfMagic(BinaryPrimitives.ReverseEndianness(magic)) is not null;

    /// <summary>An unknown magic read like the newest version, with doubt about what differed before: flags and resource managers.</summary>
    public static PgMajor Assume(ushort magic) => Known[^1] with
    {
        Number = 0,
        Magic = magic,
        PageFlags = Flags13,
        OverwriteFlag = Overwrite13 | Overwrite19,
        LastRmgr = FirstCustomRmgr - 1,
    };

    public bool IsPossibleRmgr(byte id) => id <= LastRmgr || (id >= FirstCustomRmgr && HasCustomRmgrs);
}

/// <summary>Where fields lie in <c>pg_control</c> (<c>ControlFileData</c> in <c>pg_control.h</c>), by its version. Fields before byte 56 never moved.</summary>
internal sealed record ControlFileLayout(uint Version, int MinRecoveryPoint, int MinRecoveryTimeline, int WalLevel, int BlockSize, int SegmentSize, int Checksums, int Crc)
{
    /// <summary>PG_CONTROL_FILE_SIZE.</summary>
    public const int Length = 8192;
}
