namespace OmniPg.Jobmon;

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
