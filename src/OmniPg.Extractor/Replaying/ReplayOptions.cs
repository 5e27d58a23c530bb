namespace OmniPg.Extractor;

/// <summary>How a schema is built up again.</summary>
public sealed class ReplayOptions : ICheckedOptions
{
    /// <summary>Whether everything happens in one transaction: all or nothing. Default false: stops at the first error.</summary>
    public bool SingleTransaction { get; set; }

    /// <summary>
    /// Whether objects belong to the role that replays. Default false: they get their owners back, which needs a role that may give objects away.
    /// </summary>
    public bool NoOwner { get; set; }

    /// <summary>Roles that do not exist. Default: refused.</summary>
    public MissingRoles Roles { get; set; }

    /// <summary>Whether grants and default privileges are left out. Default false.</summary>
    public bool NoPrivileges { get; set; }

    /// <summary>Whether rows of a tree with data are left out. Default false.</summary>
    public bool SchemaOnly { get; set; }

    /// <summary>Kinds to replay. Default: all but the database itself, which exists already.</summary>
    public ObjectKinds Kinds { get; set; } = ObjectKinds.All & ~ObjectKinds.Database;

    /// <summary>
    /// Whether the database itself is created first, under the name and with the settings, grants and comment it was extracted with. The target is then
    /// any other database of the server; with a password its connection string needs <c>Persist Security Info=true</c>. After an error later on the new
    /// database stays. Default false. Corresponds to <c>pg_restore --create</c>.
    /// </summary>
    public bool CreateDatabase { get; set; }

    /// <summary>Whether the target may hold objects already. Default false.</summary>
    public bool AllowNonEmpty { get; set; }

    /// <summary>Whether errors are collected instead of ending the replay; not with <see cref="SingleTransaction"/>. Default false.</summary>
    public bool ContinueOnError { get; set; }

    /// <summary>Supplies redacted secrets. Default: none; a schema with redacted entries is refused then.</summary>
    public ISecretResolver? Secrets { get; set; }

    /// <summary>A copy of these options with a change.</summary>
    internal ReplayOptions With(Action<ReplayOptions> change)
    {
        var copy = (ReplayOptions)MemberwiseClone();
        change(copy);
        return copy;
    }

    void ICheckedOptions.Check(OptionsCheck check) => check.That(!ContinueOnError || !SingleTransaction, "ContinueOnError and SingleTransaction exclude each other.");
}

/// <summary>What a replay does when roles that the schema names do not exist.</summary>
public enum MissingRoles
{
    /// <summary>It is refused before anything is done, with all of them listed. The default.</summary>
    Fail,

    /// <summary>Statements that name them are left out and reported.</summary>
    Skip,

    /// <summary>They are created, without the right to log in.</summary>
    Create,
}

/// <summary>Supplies the secrets that an extraction replaced by <c>********</c>, when a tree is replayed.</summary>
public interface ISecretResolver
{
    /// <summary>Returns one secret.</summary>
    /// <param name="entry">The redacted entry, for example a user mapping.</param>
    /// <param name="option">Name of the option, for example <c>password</c>.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The value in clear text, or null when it is not known: the replay is refused then.</returns>
    ValueTask<string?> ResolveAsync(SchemaEntry entry, string option, CancellationToken cancellationToken = default);
}
