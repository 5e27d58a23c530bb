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

    /// <summary>Whether SQL callers log outside their transaction. Found by a trial connection of dblink.</summary>
    public required SqlAutonomy SqlAutonomy { get; init; }

    /// <summary>
    /// Whether death detection, progress values, nested steps, cancellation by flag, schedules and muting work: they need the side schema.
    /// </summary>
    public bool HasSideSchema => SideSchema is not null;
}
