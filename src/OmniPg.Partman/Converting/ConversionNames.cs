namespace OmniPg.Partman;

/// <summary>Names of what stands beside a table, or on it, while it is converted or its partitions are copied.</summary>
internal static class ConversionNames
{
    /// <summary>End of the name of the partitioned table, and of its indexes, until the swap.</summary>
    public const string NewEnd = "_omnipg_new";

    /// <summary>End of the name of the former table, and of its indexes, behind the swap.</summary>
    public const string OldEnd = "_omnipg_old";

    /// <summary>End of the name of the log.</summary>
    public const string LogEnd = "_omnipg_log";

    /// <summary>End of the name of a table that has become the first partition, and of its indexes.</summary>
    public const string LegacyEnd = "_legacy";

    /// <summary>End of the name of the index that the primary key of a table is made of that becomes a partition.</summary>
    public const string KeyEnd = "_omnipg_key";

    /// <summary>The check that spares the attach of such a table its scan. From now on it refuses rows behind the cut, and so nobody may forget it.</summary>
    public const string Check = "omnipg_legacy";

    /// <summary>The trigger that notes a <c>TRUNCATE</c> in a log.</summary>
    public const string TruncateTrigger = "omnipg_log_truncate";

    /// <summary>The triggers on a table whose writers fill a log.</summary>
    public static IReadOnlyList<string> LogTriggers { get; } = [RowMoves.LogTrigger, TruncateTrigger];
}
