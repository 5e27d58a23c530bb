namespace OmniPg.Extractor;

/// <summary>How a schema is built up again.</summary>
public sealed record ReplayOptions
{
    /// <summary>Whether everything happens in one transaction: all or nothing. Default false: stops at the first error.</summary>
    public bool SingleTransaction { get; init; }

    /// <summary>Owners. Default: kept.</summary>
    public OwnerMode Owners { get; init; }

    /// <summary>Roles that do not exist. Default: refused.</summary>
    public MissingRoles Roles { get; init; }

    /// <summary>Whether grants and default privileges are left out. Default false.</summary>
    public bool NoPrivileges { get; init; }

    /// <summary>Whether rows of a tree with data are left out. Default false.</summary>
    public bool SchemaOnly { get; init; }

    /// <summary>Kinds to replay. Default: all but the database itself, which exists already.</summary>
    public ObjectKinds Kinds { get; init; } = ObjectKinds.All & ~ObjectKinds.Database;

    /// <summary>
    /// Whether the database itself is created first, under the name and with the settings, grants and comment it was extracted with. The target is then
    /// any other database of the server; with a password its connection string needs <c>Persist Security Info=true</c>. After an error later on the new
    /// database stays. Default false. Corresponds to <c>pg_restore --create</c>.
    /// </summary>
    public bool CreateDatabase { get; init; }

    /// <summary>Whether the target may hold objects already. Default false.</summary>
    public bool AllowNonEmpty { get; init; }

    /// <summary>Whether errors are collected instead of ending the replay; not with <see cref="SingleTransaction"/>. Default false.</summary>
    public bool ContinueOnError { get; init; }

    /// <summary>Supplies redacted secrets. Default: none; a schema with redacted entries is refused then.</summary>
    public ISecretResolver? Secrets { get; init; }
}
