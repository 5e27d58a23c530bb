namespace OmniPg.Wal;

/// <summary>Everything an archiver needs to know; the same as the fluent <see cref="WalArchiverBuilder"/>, in a form that configuration can fill.</summary>
public sealed class WalArchiveOptions
{
    /// <summary>The cluster's data directory (<c>--data-dir</c>).</summary>
    /// <value>Default <c>.</c>, where PostgreSQL starts an <c>archive_command</c>.</value>
    public string DataDirectory { get; set; } = ".";

    /// <summary>Whether the data directory must hold <c>PG_VERSION</c> (the opposite of <c>--force-data-dir</c>).</summary>
    /// <value>Default <see langword="true"/>.</value>
    public bool RequireDataDirectory { get; set; } = true;

    /// <summary>Directory for delivery states (<c>--state-dir</c>), writable. Needed with two or more required destinations.</summary>
    /// <value>Default <see langword="null"/>.</value>
    public string? StateDirectory { get; set; }

    /// <summary>How thoroughly a file is checked before it counts as archived.</summary>
    /// <value>Default <see cref="WalValidation.Full"/>.</value>
    public WalValidation Validation { get; set; } = WalValidation.Full;

    /// <summary>How archives are tied to the cluster. Needs a readable <c>pg_control</c>; destinations that cannot be read are never bound.</summary>
    /// <value>Default <see cref="ArchiveBinding.Cluster"/>.</value>
    public ArchiveBinding Binding { get; set; }

    /// <summary>Time for one file at one destination.</summary>
    /// <value>Default 5 minutes; must be more than zero.</value>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long an optional destination may hold up the others without progress before it is left behind.</summary>
    /// <value>Default 10 s; must be more than zero.</value>
    public TimeSpan OptionalGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Where files go; at least one.</summary>
    public IList<WalDestinationOptions> Destinations { get; } = [];
}
