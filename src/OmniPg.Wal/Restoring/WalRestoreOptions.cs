using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Where a <see cref="WalRestorer"/> looks and how patient it is. The original's <c>omnipitr-restore</c>.</summary>
public sealed class WalRestoreOptions : ICheckedOptions
{
    /// <summary>Data directory of the server: target paths are relative to it, and its <c>pg_control</c> tells cluster and segment size.</summary>
    /// <value>Default: the current directory, which is right inside <c>restore_command</c>.</value>
    public string DataDirectory { get; set; } = ".";

    /// <summary>Whether a data directory without <c>PG_VERSION</c> is refused.</summary>
    /// <value>Default true.</value>
    public bool RequireDataDirectory { get; set; } = true;

    /// <summary>Archives in the order in which they are asked; the first valid copy wins. At least one.</summary>
    public IReadOnlyList<WalRestoreSource> Sources { get; set; } = [];

    /// <summary>How thoroughly a copy is checked before the server gets it.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>Whether segments of a server that is newer than this package are handed out, with only their first page header checked and a warning.</summary>
    /// <value>Default true.</value>
    public bool AllowUnknownVersion { get; set; } = true;

    /// <summary>How long trouble (a source that does not answer) is retried before the restore fails. Absence and corrupt copies are not retried.</summary>
    /// <value>Default 60 s; zero never retries.</value>
    public TimeSpan RetryTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>What to do when no source holds a segment.</summary>
    /// <value>Default <see cref="MissingPolicy.Fail"/>.</value>
    public MissingPolicy Missing { get; set; } = MissingPolicy.Fail;

    /// <summary>A segment is served only when it is older than this; ignored while finishing.</summary>
    /// <value>Default zero.</value>
    public TimeSpan RecoveryDelay { get; set; }

    /// <summary>From when <see cref="RecoveryDelay"/> counts.</summary>
    /// <value>Default <see cref="DelayBasis.ArchiveTime"/>.</value>
    public DelayBasis DelayBasis { get; set; }

    /// <summary>While this file exists the restore finishes: with content <c>NOW</c> at once, else at the first missing segment. Null: no such file.</summary>
    /// <value>Default null.</value>
    public string? FinishTrigger { get; set; }

    /// <summary>Whether <c>NAME.partial</c>, padded with zeros to the segment size, may stand for a missing segment.</summary>
    /// <value>Default false. Only for the very end of a timeline whose server is lost.</value>
    public bool UsePartial { get; set; }

    /// <summary>Which archived files are removed while waiting. Errors of the removal are logged and never end a recovery.</summary>
    /// <value>Default <see cref="WalRemoval.Off"/>.</value>
    public WalRemoval Removal { get; set; }

    /// <summary>How much is removed at a time, the pause trigger and the hook. Used with <see cref="Removal"/> only.</summary>
    /// <value>Default: three files at a time.</value>
    public CleanupOptions Cleanup { get; set; } = new() { MaxFiles = 3 };

    /// <summary>Whether files are removed before a segment is served too, not only while waiting.</summary>
    /// <value>Default false.</value>
    public bool RemoveBefore { get; set; }

    /// <summary>What happens when <c>pg_control</c> cannot tell which files are still needed.</summary>
    /// <value>Default <see cref="ControlFileErrorPolicy.SkipRemoval"/>.</value>
    public ControlFileErrorPolicy ControlFileErrors { get; set; }

    /// <summary>Prefetches the segments that will be asked for next; null fetches on demand only.</summary>
    /// <value>Default null.</value>
    public WalPrefetchOptions? Prefetch { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.NotEmpty(DataDirectory);
        check.That(Sources.Count > 0, "Sources is empty: a restore needs at least one.");
        check.Defined<WalValidation>(Validation);
        check.NotNegative(RetryTimeout);
        check.NotNegative(RecoveryDelay);
        check.Defined<DelayBasis>(DelayBasis);
        check.Path(FinishTrigger);
        check.Inner(Cleanup);
        check.Defined<ControlFileErrorPolicy>(ControlFileErrors);
        if (Prefetch is not null)
            check.Inner(Prefetch);
    }
}

/// <summary>From when <see cref="WalRestoreOptions.RecoveryDelay"/> counts.</summary>
public enum DelayBasis
{
    /// <summary>The archived file's modification time, as the original's <c>--recovery-delay</c>.</summary>
    ArchiveTime,

    /// <summary>The last commit in the segment; a segment without one takes the archived file's time.</summary>
    LastCommit,
}

/// <summary>What happens when <c>pg_control</c> cannot tell which files are still needed: the original's <c>--error-pgcontroldata</c>.</summary>
public enum ControlFileErrorPolicy
{
    /// <summary>Nothing is removed and the restore goes on (<c>ignore</c>).</summary>
    SkipRemoval,

    /// <summary>The restore fails (<c>break</c>).</summary>
    Fail,

    /// <summary>The restore waits until it is cancelled (<c>hang</c>).</summary>
    Hang,
}
