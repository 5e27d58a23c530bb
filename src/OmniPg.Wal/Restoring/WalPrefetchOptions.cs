using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Fetching ahead: segments that the server will ask for next are unpacked into a spool while it replays.</summary>
public sealed class WalPrefetchOptions : ICheckedOptions
{
    /// <summary>The spool; prefetched files lie in its folder <c>get</c>. One spool per server. Made when missing. Best in the file system of the data directory. Required.</summary>
    /// <remarks>
    /// Bound to the data directory, its cluster and the sources: what was fetched for others is never used. While another server's run holds the spool this
    /// one does without. A spool that cannot be used costs one warning, never the restore.
    /// </remarks>
    public string Spool { get; set; } = "";

    /// <summary>How many segments are fetched at the same time.</summary>
    /// <value>Default 1, at least 1.</value>
    public int MaxParallelism { get; set; } = 1;

    /// <summary>How many bytes of WAL are kept ready at most, in uncompressed size; never less than <see cref="MaxParallelism"/> segments.</summary>
    /// <value>Default 128 MiB.</value>
    public long QueueMaxBytes { get; set; } = 128L << 20;

    /// <summary>A prefetch run ends when the server asked for nothing new for so long.</summary>
    /// <value>Default 10 s.</value>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(10);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.NotEmpty(Spool);
        check.AtLeast(MaxParallelism, 1);
        check.AtLeast(QueueMaxBytes, 1L);
        check.Positive(IdleTimeout);
    }
}
