namespace OmniPg.Jobmon;

/// <summary>What was found where the side schema should be.</summary>
internal sealed record SideSchemaFind
{
    public static readonly SideSchemaFind Nothing = new();

    public bool Exists { get; init; }

    /// <summary>Version of its tables; <see langword="null"/> when it is missing or the role may not read it.</summary>
    public int? Version { get; init; }

    /// <summary>Schema of the log that it describes; known together with the version.</summary>
    public string? LogSchema { get; init; }

    public bool IsOlder => Version < JobmonServer.CurrentSideVersion;

    public bool IsNewer => Version > JobmonServer.CurrentSideVersion;

    /// <summary>Why the log in a schema works without it, as the end of a sentence, and what helps; null when it works with it.</summary>
    public (string Reason, string NextStep)? Trouble(PgIdentifier schema) => this switch
    {
        { Exists: false } => ("is missing", "Admin.InstallAsync() adds it."),
        { Version: null } => ("is not readable for this role", "The text of Admin.GrantScriptAsync() gives the rights."),
        // A side schema that describes another log than the one found must not be joined with it.
        _ when LogSchema != schema.Value => ($"belongs to the log in schema '{LogSchema}'", "Name another JobmonOptions.SideSchema for this log."),
        { IsOlder: true } => ($"has version {Version}, older than {JobmonServer.CurrentSideVersion} of this package", "Admin.InstallAsync() upgrades it."),
        { IsNewer: true } => ($"has version {Version}, newer than {JobmonServer.CurrentSideVersion} of this package", "Use the package version that installed it, or a later one."),
        _ => null,
    };
}
