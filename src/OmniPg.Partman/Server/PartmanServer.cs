namespace OmniPg.Partman;

/// <summary>What a database has for this package.</summary>
internal sealed record PartmanServer
{
    public const int SchemaVersion = 1;

    public required PgServerVersion Version { get; init; }

    public required string Role { get; init; }

    public required string Database { get; init; }

    /// <summary>Time zone of sessions that set none, which the extension works in.</summary>
    public required string SessionZone { get; init; }

    /// <summary>Schema of the extension; null when it is not installed.</summary>
    public PgIdentifier? ExtensionSchema { get; init; }

    public string? ExtensionVersion { get; init; }

    public required PgIdentifier OwnSchema { get; init; }

    public required SchemaFind Own { get; init; }

    /// <summary>Whether the extension keeps the configuration.</summary>
    public required bool UsesExtension { get; init; }

    /// <summary>Columns of the table that holds the configuration; empty when there is none.</summary>
    public required IReadOnlySet<string> Columns { get; init; }

    /// <summary>Columns of the table beside it that tells how partitions are partitioned again; empty when there is none.</summary>
    public required IReadOnlySet<string> SubColumns { get; init; }

    public PgIdentifier ConfigSchema => UsesExtension ? ExtensionSchema!.Value : OwnSchema;

    /// <summary>Whether there is a table of configuration at all.</summary>
    public bool HasConfig => Columns.Count > 0;

    /// <summary>Whether the package's own tables are there and of this version.</summary>
    public bool HasOwn => Own.Version == SchemaVersion;

    /// <summary>The extension of version 4 keeps another layout, which is only read.</summary>
    public bool IsReadOnly => UsesExtension && ExtensionVersion!.StartsWith("4.", StringComparison.Ordinal);
}
