namespace OmniPg.Wal;

/// <summary>How a restore ended.</summary>
public enum WalRestoreStatus
{
    /// <summary>The file is in place, complete and validated.</summary>
    Restored,

    /// <summary>Every source answered and none holds the file, or the end of recovery was asked for.</summary>
    NotFound,
}
