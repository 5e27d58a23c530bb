namespace OmniPg.Wal;

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
