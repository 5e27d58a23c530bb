using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>What a copy of a repository takes along.</summary>
public sealed class RepositoryCopyOptions : ICheckedOptions
{
    internal const string Latest = "latest";

    /// <summary>The backup that is copied with the WAL that it needs; <c>latest</c> is the newest valid one. Null copies everything.</summary>
    /// <value>Default null.</value>
    public string? BackupId { get; set; }

    /// <summary>Whether a place without a marker is begun. Otherwise it is refused, because it may be the empty folder below storage that is not mounted.</summary>
    /// <value>Default false.</value>
    public bool Begin { get; set; }

    /// <summary>The most bytes per second that are copied, as they are stored; null copies as fast as it goes. What is only compared and validated is not held back.</summary>
    /// <value>Default null; at least 32768.</value>
    public long? MaxRate { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(BackupId is null or Latest || BackupInfo.IsId(BackupId), $"BackupId '{BackupId}' must be the id of a backup, such as 20260501T120000Z, or '{Latest}'.");
        check.AtLeast(MaxRate, RateLimit.Least);
    }
}
