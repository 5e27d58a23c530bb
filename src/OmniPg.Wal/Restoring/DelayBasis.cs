namespace OmniPg.Wal;

/// <summary>From when <see cref="WalRestoreOptions.RecoveryDelay"/> counts.</summary>
public enum DelayBasis
{
    /// <summary>The archived file's modification time, as the original's <c>--recovery-delay</c>.</summary>
    ArchiveTime,

    /// <summary>The last commit in the segment; a segment without one takes the archived file's time.</summary>
    LastCommit,
}
