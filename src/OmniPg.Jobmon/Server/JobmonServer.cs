using System.Globalization;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What was found in one database: where the job log is, which version it has, and whether the side schema is there.</summary>
internal sealed record JobmonServer
{
    /// <summary>Oldest version of the extension whose functions have the shape that is documented here.</summary>
    public static readonly Version OldestExtension = new(1, 3, 0);

    /// <summary>Version of the own-mode tables and functions, kept as the comment of <c>omnipg_jobmon_version()</c>.</summary>
    public const int CurrentOwnVersion = 2;

    public static readonly string OwnVersion = CurrentOwnVersion.ToString(CultureInfo.InvariantCulture);

    /// <summary>Version of the side schema, kept in its table <c>schema_version</c>.</summary>
    public const int CurrentSideVersion = 2;

    public required JobmonMode Mode { get; init; }

    public required string Database { get; init; }

    public required string Role { get; init; }

    public required PgServerVersion Version { get; init; }

    public required bool IsStandby { get; init; }

    /// <summary>The schema of the log; the one looked for when nothing is installed.</summary>
    public required PgIdentifier Schema { get; init; }

    public string? LogVersion { get; init; }

    /// <summary>The configured side schema, whether it exists or not.</summary>
    public required PgIdentifier SideSchema { get; init; }

    /// <summary>What is in the place of the side schema, whether it can be worked with or not.</summary>
    public SchemaFind FoundSide { get; init; } = new(CurrentSideVersion);

    /// <summary>Version of the side schema; <see langword="null"/> when it is missing or cannot be worked with.</summary>
    public int? SideVersion { get; init; }

    /// <summary>
    /// Schema of dblink when this role cannot write the extension's tables itself but may call its functions, which write through dblink;
    /// <see langword="null"/> when the tables are written directly.
    /// </summary>
    public PgIdentifier? FunctionsThrough { get; init; }

    /// <summary>Whether every event has to go through the extension's public functions.</summary>
    public bool ByFunctions => FunctionsThrough is not null;

    public bool HasSide => SideVersion is not null;

    /// <summary>Why the log works without the side schema, as the end of a sentence, and what helps; null when it works with it.</summary>
    public (string Reason, string NextStep)? SideTrouble => FoundSide switch
    {
        { Exists: false } => ("is missing", "Admin.InstallAsync() adds it."),
        { Version: null } => ("is not readable for this role", "The text of Admin.GrantScriptAsync() gives the rights."),
        // A side schema that describes another log than the one found must not be joined with it.
        _ when FoundSide.BelongsTo != Schema.Value => ($"belongs to the log in schema '{FoundSide.BelongsTo}'", "Name another JobmonOptions.SideSchema for this log."),
        { IsOlder: true } => ($"has version {FoundSide.Version}, older than {FoundSide.Current} of this package", "Admin.InstallAsync() upgrades it."),
        { IsNewer: true } => ($"has version {FoundSide.Version}, newer than {FoundSide.Current} of this package", "Use the package version that installed it, or a later one."),
        _ => null,
    };

    /// <summary>Whether the own log is of an older version, which the installation upgrades.</summary>
    public bool HasOlderLog => Mode == JobmonMode.Own && OwnLogVersion < CurrentOwnVersion;

    private int? OwnLogVersion => int.TryParse(LogVersion, NumberStyles.None, CultureInfo.InvariantCulture, out var version) ? version : null;

    /// <summary>The schema of the log, or <see cref="JobmonNotInstalledException"/>.</summary>
    public JobmonServer RequireInstalled() =>
        Mode == JobmonMode.NotInstalled ? throw new JobmonNotInstalledException(Database, Schema.Value) : this;

    /// <summary>The log, or <see cref="JobmonUnsupportedVersionException"/> when its tables are not those of this package.</summary>
    public JobmonServer RequireOwnVersion() => Mode != JobmonMode.Own || LogVersion == OwnVersion ? this : throw OtherLogVersion();

    /// <summary>The same for an installation, which upgrades what is older and never touches what is newer.</summary>
    public JobmonServer RequireNothingNewer()
    {
        // Without a version the schema is not one of ours to change either.
        if (Mode == JobmonMode.Own && OwnLogVersion is not <= CurrentOwnVersion)
            throw OtherLogVersion();
        if (FoundSide.IsNewer)
            throw OtherSideVersion();
        return this;
    }

    private JobmonUnsupportedVersionException OtherSideVersion() => OtherVersion(
        $"the side schema '{SideSchema.Value}'", FoundSide.Version?.ToString(CultureInfo.InvariantCulture),
        CurrentSideVersion.ToString(CultureInfo.InvariantCulture), FoundSide.IsOlder);

    /// <summary>Returns when the side schema can be worked with.</summary>
    /// <exception cref="JobmonNotInstalledException">It is missing.</exception>
    /// <exception cref="JobmonUnsupportedVersionException">It is of another version.</exception>
    /// <exception cref="PostgresException">This role may not read it.</exception>
    public async Task RequireSideAsync(PgSession session)
    {
        if (HasSide)
            return;
        if (FoundSide.IsOlder || FoundSide.IsNewer)
            throw OtherSideVersion();
        try
        {
            // A side schema that this role may not read looks like none; the server's refusal tells which right is missing.
            await session.ExecuteAsync(Render("SELECT FROM omnipg_jobmon.schema_version")).ConfigureAwait(false);
        }
        catch (PostgresException absent) when (absent.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSchemaName)
        {
            throw new JobmonNotInstalledException(Database, SideSchema.Value, absent);
        }

        throw new JobmonNotInstalledException(Database, SideSchema.Value);
    }

    private JobmonUnsupportedVersionException OtherLogVersion() => OtherVersion($"the job log in schema '{Schema.Value}'", LogVersion, OwnVersion, HasOlderLog);

    private static JobmonUnsupportedVersionException OtherVersion(string what, string? found, string supported, bool older) => new(
        what, found ?? "unknown", supported,
        older ? "Admin.InstallAsync() upgrades it." : "Use the package version that installed it, or a later one; nothing was changed.");

    /// <summary>
    /// A statement as it is for this database. Its text names the schemas as a default installation does, <c>jobmon</c> and <c>omnipg_jobmon</c> beside it, so
    /// that it can be tried in psql.
    /// </summary>
    /// <param name="statement">The text; lines between <c>--side</c> or <c>--noside</c> and <c>--end</c> are for a log with or without side tables.</param>
    /// <param name="byLocalFunctions">Likewise <c>--functions</c> and <c>--nofunctions</c>: whether to call the extension's local functions.</param>
    public string Render(string statement, bool byLocalFunctions = false) => SqlTemplate.Rename(
        SqlTemplate.Select(statement, ("side", HasSide), ("functions", byLocalFunctions)),
        ("jobmon", Schema), ("omnipg_jobmon", SideSchema), ("dblink", FunctionsThrough));

    /// <summary>One of the texts in <c>Schema/Scripts</c>.</summary>
    public static string Script(string name)
    {
        using var stream = typeof(JobmonServer).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The assembly lacks its resource '{name}'.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
