namespace OmniPg.Wal;

/// <summary>Names of WAL resource managers, as <c>pg_waldump</c> shows them.</summary>
public static class WalRmgr
{
    private static readonly string[] BuiltIn =
    [
        "XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby", "Heap2", "Heap",
        "Btree", "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs", "ReplicationOrigin", "Generic", "LogicalMessage",
    ];

    /// <summary>Name of a resource manager.</summary>
    /// <param name="id">Its id.</param>
    /// <returns>The name; <c>custom128</c> to <c>custom255</c> for managers of extensions, <c>rmgr22</c> for ids unknown to this package.</returns>
    public static string NameOf(byte id) => id < BuiltIn.Length ? BuiltIn[id] : id >= Shared.PgMajor.FirstCustomRmgr ? $"custom{id:D3}" : $"rmgr{id}";
}
