namespace OmniPg.Wal;

/// <summary>Which archived files a restore may remove: the original's <c>--remove-unneeded</c>.</summary>
public readonly record struct WalRemoval
{
    private WalRemoval(bool isOn, WalFileName? limit) => (IsOn, Limit) = (isOn, limit);

    /// <summary>None; the default.</summary>
    public static WalRemoval Off => default;

    /// <summary>Those below the REDO position of the last restart point, read from <c>global/pg_control</c> of the data directory.</summary>
    public static WalRemoval ByControlFile => new(true, null);

    /// <summary>Whether anything may be removed.</summary>
    public bool IsOn { get; }

    /// <summary>The first file to keep; null when <c>pg_control</c> decides.</summary>
    public WalFileName? Limit { get; }

    /// <summary>Those below a file, for <c>%r</c> of <c>restore_command</c>.</summary>
    public static WalRemoval ByRestartPoint(WalFileName limit) => new(true, limit);
}
