namespace OmniPg.Wal.ControlFile;

/// <summary>Where fields lie in <c>pg_control</c> (<c>ControlFileData</c>), by its version. Fields before byte 56 never moved.</summary>
internal sealed record ControlFileLayout(
    uint Version, int? Major, int MinRecoveryPoint, int MinRecoveryTimeline, int WalLevel, int BlockSize, int SegmentSize, int Checksums, int Crc)
{
    public const int Length = 8192;

    private static readonly ControlFileLayout[] Known =
    [
        new(1300, null, 136, 144, 172, 224, 228, 252, 288),
        new(1700, 17, 136, 144, 172, 224, 228, 252, 288),
        new(1800, 18, 136, 144, 172, 224, 228, 252, 292),
        new(1902, 19, 144, 152, 180, 236, 240, 264, 304),
    ];

    public static ControlFileLayout? Find(uint version)
    {
        foreach (var layout in Known)
        {
            if (layout.Version == version)
            {
                return layout;
            }
        }

        return null;
    }

    /// <summary>Versions 13 to 16 share one layout; the catalog version (<c>catversion.h</c>) of a release tells them apart.</summary>
    public int? MajorOf(uint catalogVersion) => Major ?? catalogVersion switch
    {
        202007201 => 13,
        202107181 => 14,
        202209061 => 15,
        202307071 => 16,
        _ => null,
    };
}
