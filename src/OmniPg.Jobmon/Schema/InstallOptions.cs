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

/// <summary>What an installation found or made.</summary>
public sealed record InstallResult
{
    /// <summary>Mode after the installation.</summary>
    public required JobmonMode Mode { get; init; }

    /// <summary>Schema of the log.</summary>
    public required PgIdentifier Schema { get; init; }

    /// <summary>Schema of the side tables.</summary>
    public required PgIdentifier SideSchema { get; init; }

    /// <summary>Whether anything was there before; <see langword="false"/> on the first installation.</summary>
    public required bool AlreadyInstalled { get; init; }

    /// <summary>Whether log or side tables were those of an older package version and were brought to this one; their rows stay.</summary>
    public required bool Upgraded { get; init; }

    /// <summary>Whether SQL callers log outside their transaction.</summary>
    public required bool SqlIsAutonomous { get; init; }

    /// <summary>
    /// Why SQL callers log inside their transaction, as the end of a sentence: the extension dblink is missing, or its connection does not reach
    /// this database. <see langword="null"/> when they log outside of it.
    /// </summary>
    public string? WhyNotAutonomous { get; init; }
}

/// <summary>The row of <c>dblink_mapping_jobmon</c>: how functions called from SQL open their own connection. Values may hold any character.</summary>
public sealed record DblinkMapping
{
    /// <summary>Role to connect as; <see langword="null"/>: the server's account name.</summary>
    public string? Username { get; init; }

    /// <summary>Port; <see langword="null"/>: the server's own.</summary>
    public int? Port { get; init; }

    /// <summary>Password, stored as plain text in a table that only its owner can read. A role that is not superuser needs one.</summary>
    public string? Password { get; init; }

    /// <summary>Host name or socket directory; <see langword="null"/>: the server's first socket directory.</summary>
    public string? Host { get; init; }

    /// <summary>Numeric address, used instead of resolving <see cref="Host"/>.</summary>
    public string? HostAddress { get; init; }

    /// <summary>The mapping without its password.</summary>
    public override string ToString() => $"{Username}@{HostAddress ?? Host}:{Port}";
}
