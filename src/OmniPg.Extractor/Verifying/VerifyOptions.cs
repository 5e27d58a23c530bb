namespace OmniPg.Extractor;

/// <summary>What a verification replays and compares.</summary>
public sealed record VerifyOptions
{
    /// <summary>Kinds to replay and compare. Default: all but the database itself.</summary>
    public ObjectKinds Kinds { get; init; } = ObjectKinds.All & ~ObjectKinds.Database;

    /// <summary>
    /// Roles that do not exist. Default: refused. With <see cref="MissingRoles.Skip"/> owners and grants are not compared. <see cref="MissingRoles.Create"/>
    /// is refused: roles would outlive the scratch database.
    /// </summary>
    public MissingRoles Roles { get; init; }
}
