using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>What a <see cref="WalMonitor"/> looks at, and what it finds bad.</summary>
public sealed class WalMonitorOptions : ICheckedOptions
{
    /// <summary>Limits where <see cref="Thresholds"/> says nothing.</summary>
    private static readonly Dictionary<WalCheck, WalThreshold> Usual = new()
    {
        [WalCheck.Backlog] = new(16, 128),
        [WalCheck.BacklogAge] = new(300, 900),
        [WalCheck.Gaps] = new(null, 0),
        [WalCheck.Rpo] = new(900, 3600),
        [WalCheck.RpoBytes] = new(256 << 20, 2L << 30),
        [WalCheck.SlotLag] = new(64 << 20, 1 << 30),
        [WalCheck.LastFullBackupAge] = new(26 * 3600, 50 * 3600),
    };

    /// <summary>The checks to make; null makes each for which there is a source.</summary>
    /// <value>Default null. A check that is named and has no source ends as <see cref="WalCheckLevel.Unknown"/>.</value>
    public IReadOnlyList<WalCheck>? Checks { get; set; }

    /// <summary>Limits per check, in its unit. A limit that is null is the usual one.</summary>
    /// <value>
    /// Default empty. The usual limits are: backlog 16 and 128 files, its age 300 and 900 s, any gap critical, RPO 900 and 3600 s, 256 MiB and 2 GiB, slot lag
    /// 64 MiB and 1 GiB, age of the last backup 26 and 50 hours.
    /// </value>
    public IReadOnlyDictionary<WalCheck, WalThreshold> Thresholds { get; set; } = new Dictionary<WalCheck, WalThreshold>();

    /// <summary>Name of the physical replication slot of a receiver, whose confirmed WAL counts as safe.</summary>
    /// <value>Default null: there is no receiver.</value>
    public string? Slot { get; set; }

    /// <summary>The directory of that receiver, where the archive is one of its destinations: what lies there, complete or in part, is on its way, not lost. Needs a server.</summary>
    /// <value>Default null: the archive is the receiver's directory itself, or there is no receiver, or it cannot be reached from here.</value>
    public string? ReceiverDirectory { get; set; }

    /// <summary>How long the server, and each store, may take to answer.</summary>
    /// <value>Default 30 seconds.</value>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    internal WalThreshold? ThresholdOf(WalCheck check)
    {
        var usual = Usual.GetValueOrDefault(check);
        return Thresholds.GetValueOrDefault(check) is { } own ? new(own.Warning ?? usual?.Warning, own.Critical ?? usual?.Critical) : usual;
    }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        foreach (var named in Checks ?? [])
            check.Defined<WalCheck>(named);
        check.That(Thresholds is not null, "Thresholds must not be null.");
        foreach (var (named, limits) in Thresholds ?? new Dictionary<WalCheck, WalThreshold>())
            check.That(limits is not null && !(limits.Warning > limits.Critical), $"Thresholds[{named}] must have a warning that is not above critical.");
        check.That(Slot is null || Slot.Length > 0, "Slot must not be empty.");
        check.Path(ReceiverDirectory);
        check.Positive(Timeout);
    }
}
