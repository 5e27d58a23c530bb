namespace OmniPg.Wal;

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
