namespace OmniPg.Wal.Versions;

/// <summary>Where fields lie in <c>pg_control</c> (<c>ControlFileData</c> in <c>pg_control.h</c>), by its version. Fields before byte 56 never moved.</summary>
internal sealed record ControlFileLayout(uint Version, int MinRecoveryPoint, int MinRecoveryTimeline, int WalLevel, int BlockSize, int SegmentSize, int Checksums, int Crc)
{
    public const int Length = 8192;
}
