namespace OmniPg.Wal;

/// <summary>Operations of the resource manager XLOG (<c>pg_control.h</c>).</summary>
internal static class XlogOperation
{
    public const int CheckpointShutdown = 0x00;
    public const int CheckpointOnline = 0x10;
    public const int Switch = 0x40;
    public const int BackupEnd = 0x50;
    public const int RestorePoint = 0x70;
    public const int EndOfRecovery = 0x90;
    public const int OverwriteContrecord = 0xD0;
}
