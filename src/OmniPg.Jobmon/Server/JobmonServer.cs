namespace OmniPg.Jobmon;

/// <summary>What was found in one database: where the job log is, which version it has, and whether the side schema is there.</summary>
internal sealed record JobmonServer
{
    /// <summary>Oldest version of the extension whose functions have the shape that is documented here.</summary>
    public static readonly Version OldestExtension = new(1, 3, 0);

    /// <summary>Version of the own-mode tables and functions, kept as the comment of <c>omnipg_jobmon_version()</c>.</summary>
    public const string OwnVersion = "1";

    /// <summary>Version of the side schema, kept in its table <c>schema_version</c>.</summary>
    public const int CurrentSideVersion = 1;

    public required JobmonMode Mode { get; init; }

    public required string Database { get; init; }

    public required string Role { get; init; }

    public required PgServerVersion Version { get; init; }

    public required bool IsStandby { get; init; }

    /// <summary>The schema of the log; the one looked for when nothing is installed.</summary>
    public required PgIdentifier Schema { get; init; }

    public string? LogVersion { get; init; }

    /// <summary>Limit of each statement that is sent because of this find: a data source given by the user may wait for ever, and no lock is worth that.</summary>
    public int CommandTimeoutSeconds { get; init; }

    /// <summary>The configured side schema, whether it exists or not.</summary>
    public required PgIdentifier SideSchema { get; init; }

    /// <summary>Version of the side schema; <see langword="null"/> when it is missing or the role may not use it.</summary>
    public int? SideVersion { get; init; }

    /// <summary>
    /// Schema of dblink when this role cannot write the extension's tables itself but may call its functions, which write through dblink;
    /// <see langword="null"/> when the tables are written directly.
    /// </summary>
    public PgIdentifier? FunctionsThrough { get; init; }

    /// <summary>Whether every event has to go through the extension's public functions.</summary>
    public bool ByFunctions => FunctionsThrough is not null;

    public bool HasSide => SideVersion is not null;

    /// <summary>The schema of the log, or <see cref="JobmonNotInstalledException"/>.</summary>
    public JobmonServer RequireInstalled() =>
        Mode == JobmonMode.NotInstalled ? throw new JobmonNotInstalledException(Database, Schema.Value) : this;

    /// <summary>Fills the schema placeholders of a statement; <c>--side … --end</c> blocks stay only where the side schema is.</summary>
    public string Render(string template) => SqlTemplate.Render(template, Schema, SideSchema, HasSide, ("@dblink@", FunctionsThrough?.Quoted ?? ""));
}
