namespace OmniPg.Jobmon;

/// <summary>What the job log of one database can do for the connected role.</summary>
public sealed record JobmonCapabilities
{
    /// <summary>Where the log comes from.</summary>
    public required JobmonMode Mode { get; init; }

    /// <summary>Schema of the log tables and functions; <see langword="null"/> when nothing is installed.</summary>
    public PgIdentifier? Schema { get; init; }

    /// <summary>Schema of the SDK's side tables; <see langword="null"/> when they are missing, not readable, or of another version.</summary>
    public PgIdentifier? SideSchema { get; init; }

    /// <summary>Version of the extension, or of the SDK's own schema; <see langword="null"/> when nothing is installed.</summary>
    public string? LogVersion { get; init; }

    /// <summary>Version of the server.</summary>
    public required PgServerVersion ServerVersion { get; init; }

    /// <summary>Whether the server is a standby: history and checks work, writing does not.</summary>
    public required bool IsStandby { get; init; }

    /// <summary>
    /// Whether what SQL callers log survives the rollback of their own transaction: it goes through a connection of dblink, which was tried. The SDK's own
    /// records always do.
    /// </summary>
    public required bool SqlIsAutonomous { get; init; }

    /// <summary>
    /// Whether death detection, progress values, nested steps, cancellation by flag, schedules and muting work: they need the side schema.
    /// </summary>
    public bool HasSideSchema => SideSchema is not null;

    /// <summary>Describes what was detected, with a trial connection of dblink in own mode.</summary>
    internal static async Task<JobmonCapabilities> ReadAsync(PgSession session, JobmonServer server) => new()
    {
        Mode = server.Mode,
        Schema = server.Mode == JobmonMode.NotInstalled ? null : server.Schema,
        SideSchema = server.HasSide ? server.SideSchema : null,
        LogVersion = server.LogVersion,
        ServerVersion = server.Version,
        IsStandby = server.IsStandby,
        // The extension has no other way: without a connection its functions fail.
        SqlIsAutonomous = server.Mode == JobmonMode.Extension
            || (server.Mode == JobmonMode.Own && await IsAutonomousAsync(session, server.Schema).ConfigureAwait(false)),
    };

    /// <summary>Whether functions called from SQL can open a connection of their own in own mode.</summary>
    internal static async Task<bool> IsAutonomousAsync(PgSession session, PgIdentifier schema) =>
        await session.ScalarAsync($"SELECT {schema.Quoted}._dblink_probe()").ConfigureAwait(false) is true;

    /// <summary>Why they cannot, as the end of a sentence.</summary>
    internal static async Task<string> WhyNoneAsync(PgSession session) =>
        await session.ScalarAsync("SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'dblink')").ConfigureAwait(false) is true
            ? "the connection of dblink does not reach this database" : "the extension dblink is not installed";
}

/// <summary>Where the job log of a database comes from.</summary>
public enum JobmonMode
{
    /// <summary>The database has neither the extension nor the SDK's own job log.</summary>
    NotInstalled,

    /// <summary>The extension <c>pg_jobmon</c> holds the log; the SDK never alters its objects.</summary>
    Extension,

    /// <summary>The SDK installed same-named tables and functions in a schema of its own.</summary>
    Own,
}
