namespace OmniPg.Wal;

/// <summary>What to do when no source holds a segment. Timeline histories and backup histories never wait.</summary>
public readonly record struct MissingPolicy
{
    private MissingPolicy(bool waits, TimeSpan? timeout) => (Waits, Timeout) = (waits, timeout);

    /// <summary>Say so at once; the default, and right for recovery to the end of the archive and beside streaming.</summary>
    public static MissingPolicy Fail => default;

    /// <summary>Whether to look again, once a second.</summary>
    public bool Waits { get; }

    /// <summary>How long to wait; null for ever.</summary>
    public TimeSpan? Timeout { get; }

    /// <summary>Looks again once a second: the original's behaviour without <c>--streaming-replication</c>.</summary>
    /// <param name="timeout">After this long the segment counts as missing; null waits for ever.</param>
    public static MissingPolicy Wait(TimeSpan? timeout = null) => new(true, timeout);
}
