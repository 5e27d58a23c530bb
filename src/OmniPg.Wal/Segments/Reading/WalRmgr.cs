namespace OmniPg.Wal;

/// <summary>Names of WAL resource managers and their operations, as <c>pg_waldump</c> shows them.</summary>
internal static class WalRmgr
{
    private const int InitBit = 0x80;
    private const string? None = null;


    private static readonly string[] BuiltIn =
    [
        "XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby", "Heap2", "Heap",
        "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs", "ReplicationOrigin", "Generic", "LogicalMessage",
    ];

    // By resource manager id, then by the upper half of the flag byte.
    private static readonly string?[][] Operations =
    [
        ["CHECKPOINT_SHUTDOWN", "CHECKPOINT_ONLINE", "NOOP", "NEXTOID", "SWITCH", "BACKUP_END", "PARAMETER_CHANGE", "RESTORE_POINT", "FPW_CHANGE",
            "END_OF_RECOVERY", "FPI_FOR_HINT", "FPI", None, "OVERWRITE_CONTRECORD", "CHECKPOINT_REDO"],
        ["COMMIT", "PREPARE", "ABORT", "COMMIT_PREPARED", "ABORT_PREPARED", "ASSIGNMENT", "INVALIDATION"],
        [None, "CREATE", "TRUNCATE"],
        ["ZEROPAGE", "TRUNCATE"],
        [],
        ["CREATE", "DROP"],
        ["ZERO_OFF_PAGE", "ZERO_MEM_PAGE", "CREATE_ID", "TRUNCATE_ID"],
        ["UPDATE"],
        ["LOCK", "RUNNING_XACTS", "INVALIDATIONS"],
        ["REWRITE", None, None, None, None, "MULTI_INSERT", "LOCK_UPDATED", "NEW_CID"],
        ["INSERT", "DELETE", "UPDATE", "TRUNCATE", "HOT_UPDATE", "HEAP_CONFIRM", "LOCK", "INPLACE"],
        ["INSERT_LEAF", "INSERT_UPPER", "INSERT_META", "SPLIT_L", "SPLIT_R", "INSERT_POST", "DEDUP", "DELETE", "UNLINK_PAGE", "UNLINK_PAGE_META",
            "NEWROOT", "MARK_PAGE_HALFDEAD", "VACUUM", "REUSE_PAGE", "META_CLEANUP"],
        ["INIT_META_PAGE", "INIT_BITMAP_PAGE", "INSERT", "ADD_OVFL_PAGE", "SPLIT_ALLOCATE_PAGE", "SPLIT_PAGE", "SPLIT_COMPLETE", "MOVE_PAGE_CONTENTS",
            "SQUEEZE_PAGE", "DELETE", "SPLIT_CLEANUP", "UPDATE_META_PAGE", "VACUUM_ONE_PAGE"],
        [None, "CREATE_PTREE", "INSERT", "SPLIT", "VACUUM_PAGE", "DELETE_PAGE", "UPDATE_META_PAGE", "INSERT_LISTPAGE", "DELETE_LISTPAGE",
            "VACUUM_DATA_LEAF_PAGE"],
        ["PAGE_UPDATE", "DELETE", "PAGE_REUSE", "PAGE_SPLIT", None, None, "PAGE_DELETE"],
        ["LOG"],
        [None, "ADD_LEAF", "MOVE_LEAFS", "ADD_NODE", "SPLIT_TUPLE", "PICKSPLIT", "VACUUM_LEAF", "VACUUM_ROOT", "VACUUM_REDIRECT"],
        ["CREATE_INDEX", "INSERT", "UPDATE", "SAMEPAGE_UPDATE", "REVMAP_EXTEND", "DESUMMARIZE"],
        ["ZEROPAGE", "TRUNCATE"],
        ["SET", "DROP"],
        ["Generic"],
        ["MESSAGE"],
    ];

    /// <summary>Name of a resource manager.</summary>
    /// <param name="id">Its id.</param>
    /// <returns>The name; <c>custom128</c> to <c>custom255</c> for managers of extensions, <c>rmgr22</c> for ids unknown to this package.</returns>
    public static string NameOf(byte id) => id < BuiltIn.Length ? BuiltIn[id] : id >= Shared.PgMajor.FirstCustomRmgr ? $"custom{id:D3}" : $"rmgr{id}";

    /// <summary>Name of an operation (server sources, <c>src/backend/access/rmgrdesc</c>).</summary>
    /// <returns>The name, or <see langword="null"/> when it is not known.</returns>
    /// <remarks>
    /// The table holds what means the same in every version since 13, <see cref="Renumbered"/> what does not. Where the version is not known, what was ever
    /// renumbered has no name: a wrong one would be worse than the flag byte.
    /// </remarks>
    internal static string? OperationOf(byte rmgr, byte info, int major)
    {
        if (rmgr >= Operations.Length)
            return null;
        var mask = rmgr == RmgrId.Transaction ? TransactionOperation.Mask : HasInitBit(rmgr) ? 0x70 : 0xF0;
        var operation = (info & mask) >> 4;
        var name = (operation < Operations[rmgr].Length ? Operations[rmgr][operation] : null) ?? Renumbered(rmgr, operation, major);
        return name is not null && HasInitBit(rmgr) && (info & InitBit) != 0 ? name + "+INIT" : name;
    }

    private static string? Renumbered(byte rmgr, int operation, int major) => (rmgr, operation) switch
    {
        // pg_control.h
        (RmgrId.Xlog, 0xC) when major >= 19 => "ASSIGN_LSN",
        (RmgrId.Xlog, 0xF) when major >= 19 => "LOGICAL_DECODING_STATUS_CHANGE",
        // dbcommands_xlog.h
        (RmgrId.Database, 0x0) when major >= 15 => "CREATE_FILE_COPY",
        (RmgrId.Database, 0x1) when major >= 15 => "CREATE_WAL_LOG",
        (RmgrId.Database, 0x2) when major >= 15 => "DROP",
        (RmgrId.Database, 0x0) when major is 13 or 14 => "CREATE",
        (RmgrId.Database, 0x1) when major is 13 or 14 => "DROP",
        // heapam_xlog.h
        (RmgrId.Heap2, 0x1) when major >= 17 => "PRUNE_ON_ACCESS",
        (RmgrId.Heap2, 0x2) when major >= 17 => "PRUNE_VACUUM_SCAN",
        (RmgrId.Heap2, 0x3) when major >= 17 => "PRUNE_VACUUM_CLEANUP",
        (RmgrId.Heap2, 0x1) when major is >= 14 and < 17 => "PRUNE",
        (RmgrId.Heap2, 0x2) when major is >= 14 and < 17 => "VACUUM",
        (RmgrId.Heap2, 0x3) when major is >= 14 and < 17 => "FREEZE_PAGE",
        (RmgrId.Heap2, 0x1) when major == 13 => "CLEAN",
        (RmgrId.Heap2, 0x2) when major == 13 => "FREEZE_PAGE",
        (RmgrId.Heap2, 0x3) when major == 13 => "CLEANUP_INFO",
        (RmgrId.Heap2, 0x4) when major is >= 13 and < 19 => "VISIBLE",
        // gistxlog.h
        (RmgrId.Gist, 0x7) when major is >= 13 and < 19 => "ASSIGN_LSN",
        _ => null,
    };

    // These managers use the highest bit for "the page was made anew", whatever the operation.
    private static bool HasInitBit(byte rmgr) => rmgr is RmgrId.Heap2 or RmgrId.Heap or RmgrId.Brin;
}
