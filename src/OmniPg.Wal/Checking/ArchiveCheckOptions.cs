using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>How an archive is checked.</summary>
public sealed class ArchiveCheckOptions : ICheckedOptions
{
    /// <summary>How long a segment that the check itself ends may take to arrive in every archive.</summary>
    /// <value>Default 60 seconds.</value>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Whether the check ends a segment (<c>pg_create_restore_point</c>, <c>pg_switch_wal</c>) and waits for it; otherwise it only looks.</summary>
    /// <value>Default true. A standby is only looked at in any case.</value>
    public bool SwitchWal { get; set; } = true;

    /// <summary>Part of a file system that has to be free below an archive in a folder, 0 to 1; less is a warning, less than room for ten segments critical.</summary>
    /// <value>Default 0.05.</value>
    public double FreeSpace { get; set; } = 0.05;

    /// <summary>How far the clocks of server and this process may be apart: times in reports, and recovery to a moment, depend on them.</summary>
    /// <value>Default 5 seconds.</value>
    public TimeSpan ClockDifference { get; set; } = TimeSpan.FromSeconds(5);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Positive(Timeout);
        check.Range<double>(FreeSpace, 0, 1);
        check.Positive(ClockDifference);
    }
}
