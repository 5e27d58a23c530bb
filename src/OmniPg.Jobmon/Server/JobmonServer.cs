using System.Globalization;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What was found in one database: where the job log is, which version it has, and whether the side schema is there.</summary>
internal sealed record JobmonServer
{
    // Read-only, and works for every role. $1: schema named by the options, or null. Own-mode schemas are known by their version function.
    private const string Detect =
        """
        SELECT current_database()::text, current_user::text, current_setting('server_version_num')::int, pg_is_in_recovery(),
            e.nspname::text, e.extversion, o.nspname::text, o.version, coalesce(o.found, 0), f.dblink
        FROM (SELECT) AS one
        LEFT JOIN LATERAL (
            SELECT n.nspname, x.extversion FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
            WHERE x.extname = 'pg_jobmon') e ON true
        LEFT JOIN LATERAL (
            SELECT n.nspname, pg_catalog.obj_description(p.oid, 'pg_proc') AS version, count(*) OVER ()::int AS found
            FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
            WHERE p.proname = 'omnipg_jobmon_version' AND p.pronargs = 0 AND ($1::text IS NULL OR n.nspname = $1)
            ORDER BY n.nspname <> 'jobmon', n.nspname LIMIT 1) o ON true
        -- The extension's functions run with the rights of their caller, its triggers too: a direct write needs rights on all five tables.
        LEFT JOIN LATERAL (
            SELECT d.nspname::text AS dblink
            FROM pg_catalog.pg_extension x JOIN pg_catalog.pg_namespace d ON d.oid = x.extnamespace
            WHERE x.extname = 'dblink'
              AND EXISTS (
                SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                JOIN (VALUES ('job_log', 'SELECT'), ('job_log', 'INSERT'), ('job_log', 'UPDATE'), ('job_detail', 'SELECT'), ('job_detail', 'INSERT'),
                             ('job_detail', 'UPDATE'), ('job_check_log', 'SELECT'), ('job_check_log', 'INSERT'), ('job_check_log', 'DELETE'),
                             ('job_check_config', 'SELECT'), ('job_status_text', 'SELECT')) AS w (relname, privilege) ON w.relname = c.relname
                WHERE n.nspname = e.nspname AND NOT pg_catalog.has_table_privilege(c.oid, w.privilege))
              AND (
                SELECT bool_and(pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
                FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = e.nspname AND p.proname IN ('auth', 'add_step', 'update_step', 'close_job', 'fail_job'))) f ON true
        """;

    public static readonly PgIdentifier DefaultSchema = PgIdentifier.Create("jobmon");

    private static readonly PgIdentifier LogSchema = PgIdentifier.Create("log_schema");

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

    /// <summary>
    /// Finds the log of a database, of any version: <see cref="RequireOwnVersion"/> and <see cref="RequireNothingNewer"/> judge it. Two round trips. Without a
    /// schema the extension's is looked for first, then the SDK's own.
    /// </summary>
    public static async ValueTask<JobmonServer> DetectAsync(
        bool async, NpgsqlConnection connection, PgIdentifier? schema, PgIdentifier side, int seconds, CancellationToken cancellationToken)
    {
        using var command = new NpgsqlCommand(Detect, connection) { CommandTimeout = seconds, Parameters = { PgParameter.Text(schema?.Value) } };
        var reader = async ? await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false) : command.ExecuteReader();
        JobmonServer found;
        try
        {
            _ = async ? await reader.ReadAsync(cancellationToken).ConfigureAwait(false) : reader.Read();
            found = Read(reader, schema, side);
        }
        finally
        {
            await SyncCall.CloseAsync(async, reader).ConfigureAwait(false);
        }

        found = found with
        {
            FoundSide = await SchemaFind.LookAsync(async, connection, side, LogSchema, CurrentSideVersion, seconds, cancellationToken).ConfigureAwait(false),
        };
        return found with { SideVersion = found.SideTrouble is null ? found.FoundSide.Version : null };
    }

    private static JobmonServer Read(NpgsqlDataReader row, PgIdentifier? schema, PgIdentifier side)
    {
        var database = row.GetString(0);
        var (extension, own) = (row.Text(4), row.Text(6));
        var useExtension = extension is not null && (schema is null || schema.Value.Value == extension);
        if (!useExtension && schema is null && row.GetInt32(8) > 1 && own != DefaultSchema.Value)
            throw new JobmonConflictException(own!, $"database '{database}' has '{row.GetInt32(8)}' job logs, so the schema must be named in the options");

        if (useExtension && System.Version.TryParse(row.GetString(5), out var version) && version < OldestExtension)
            throw new JobmonUnsupportedVersionException("extension pg_jobmon", row.GetString(5), $"{OldestExtension} or later",
                "Upgrade it with ALTER EXTENSION pg_jobmon UPDATE.");
        return new JobmonServer
        {
            Mode = useExtension ? JobmonMode.Extension : own is not null ? JobmonMode.Own : JobmonMode.NotInstalled,
            Database = database,
            Role = row.GetString(1),
            Version = new PgServerVersion(row.GetInt32(2)),
            IsStandby = row.GetBoolean(3),
            Schema = useExtension ? PgIdentifier.Create(extension!) : own is not null ? PgIdentifier.Create(own) : schema ?? DefaultSchema,
            LogVersion = row.Text(useExtension ? 5 : 7),
            SideSchema = side,
            FunctionsThrough = useExtension && row.Text(9) is { } dblink ? PgIdentifier.Create(dblink) : null,
        };
    }

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

    public static string Script(string name)
    {
        using var stream = typeof(JobmonServer).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"The assembly lacks its resource '{name}'.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
