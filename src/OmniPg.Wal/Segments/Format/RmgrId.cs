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
