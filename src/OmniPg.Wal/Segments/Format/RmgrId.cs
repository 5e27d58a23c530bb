namespace OmniPg.Wal;

/// <summary>Resource managers whose records this package looks into (<c>rmgrlist.h</c>).</summary>
internal static class RmgrId
{
    public const byte Xlog = 0;
    public const byte Transaction = 1;
    public const byte Database = 4;
    public const byte Heap2 = 9;
    public const byte Heap = 10;
    public const byte Gist = 14;
    public const byte Brin = 17;
}

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

/// <summary>Operations of the resource manager Transaction (<c>xact.h</c>).</summary>
internal static class TransactionOperation
{
    public const int Mask = 0x70;
    public const int Commit = 0x00;
    public const int Prepare = 0x10;
    public const int Abort = 0x20;
    public const int CommitPrepared = 0x30;
    public const int AbortPrepared = 0x40;

    /// <summary>The record carries a word of flags that say which parts follow.</summary>
    public const int HasInfo = 0x80;
}
