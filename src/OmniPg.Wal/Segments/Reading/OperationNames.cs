namespace OmniPg.Wal.Segments;

/// <summary>Names of operations as <c>pg_waldump</c> shows them, of the resource managers whose operations mean the same in all supported versions.</summary>
internal static class OperationNames
{
    private static readonly Dictionary<int, string> Xlog = new()
    {
        [0x00] = "CHECKPOINT_SHUTDOWN",
        [0x10] = "CHECKPOINT_ONLINE",
        [0x20] = "NOOP",
        [0x30] = "NEXTOID",
        [0x40] = "SWITCH",
        [0x50] = "BACKUP_END",
        [0x60] = "PARAMETER_CHANGE",
        [0x70] = "RESTORE_POINT",
        [0x80] = "FPW_CHANGE",
        [0x90] = "END_OF_RECOVERY",
        [0xA0] = "FPI_FOR_HINT",
        [0xB0] = "FPI",
        [0xD0] = "OVERWRITE_CONTRECORD",
        [0xE0] = "CHECKPOINT_REDO",
    };

    private static readonly Dictionary<int, string> Transaction = new()
    {
        [0x00] = "COMMIT",
        [0x10] = "PREPARE",
        [0x20] = "ABORT",
        [0x30] = "COMMIT_PREPARED",
        [0x40] = "ABORT_PREPARED",
        [0x50] = "ASSIGNMENT",
        [0x60] = "INVALIDATION",
    };

    // The INIT bit of heap records is left to the text behind the plus sign.
    private static readonly string[] Heap = ["INSERT", "DELETE", "UPDATE", "TRUNCATE", "HOT_UPDATE", "HEAP_CONFIRM", "LOCK", "INPLACE"];

    private const byte HeapRmgr = 10;
    private const int HeapInit = 0x80;

    /// <returns>The name, or <see langword="null"/> when it is not known.</returns>
    public static string? Find(byte rmgr, byte info) => rmgr switch
    {
        RmgrId.Xlog => Xlog.GetValueOrDefault(info & 0xF0),
        RmgrId.Transaction => Transaction.GetValueOrDefault(info & TransactionOperation.Mask),
        HeapRmgr => Heap[(info & 0x70) >> 4] + ((info & HeapInit) != 0 ? "+INIT" : ""),
        _ => null,
    };
}
