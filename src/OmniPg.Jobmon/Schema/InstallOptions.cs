namespace OmniPg.Jobmon;

/// <summary>Where and how to install the job log.</summary>
public sealed class InstallOptions : ICheckedOptions
{
    /// <summary>
    /// Schema of tables and functions. Default: <see cref="JobmonOptions.Schema"/>, else the schema found by detection, else <c>jobmon</c>.
    /// </summary>
    public string? Schema { get; set; }

    /// <summary>How SQL callers reach this server through dblink; <see langword="null"/> leaves the table as it is.</summary>
    public DblinkMapping? Dblink { get; set; }

    /// <summary>
    /// Role whose members see every run, while others see only runs that they own. Default <see langword="null"/>: whoever may read the
    /// tables sees all. The role must exist.
    /// </summary>
    public string? ReaderRole { get; set; }

    /// <summary>
    /// Longest wait for a lock, that of another installation included. Default 30 s, at least 1 ms. Whoever waits for an exclusive lock
    /// makes all later users of the table wait, too.
    /// </summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(30);

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Identifier(Schema, "schema");
        check.Identifier(ReaderRole, "role");
        check.AtLeast(LockTimeout, TimeSpan.FromMilliseconds(1));
    }
}
