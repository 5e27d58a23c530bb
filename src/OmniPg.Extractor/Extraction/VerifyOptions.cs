namespace OmniPg.Extractor;

/// <summary>What a verification replays and compares.</summary>
public sealed class VerifyOptions : ICheckedOptions
{
    /// <summary>Kinds to replay and compare. Default: all but the database itself.</summary>
    public ObjectKinds Kinds { get; set; } = ObjectKinds.All & ~ObjectKinds.Database;

    /// <summary>
    /// Roles that do not exist. Default: refused. With <see cref="MissingRoles.Skip"/> owners and grants are not compared. <see cref="MissingRoles.Create"/>
    /// is refused: roles would outlive the scratch database.
    /// </summary>
    public MissingRoles Roles { get; set; }

    void ICheckedOptions.Check(OptionsCheck check) =>
        check.That(Roles != MissingRoles.Create, "A verification creates no roles, which would outlive the scratch database: take MissingRoles.Skip.");
}

/// <summary>Result of a round trip: a schema was built up in a scratch database and read again.</summary>
public sealed record VerifyResult
{
    /// <summary>What was lost or changed on the way. Empty when the schema is proven.</summary>
    public required IReadOnlyList<ObjectDiff> Differences { get; init; }

    /// <summary>
    /// Objects whose text the server words differently when it reads its own text, and then no more: <c>varchar IN (…)</c> in checks and views
    /// does that. They are the same objects.
    /// </summary>
    public required IReadOnlyList<ObjectDiff> Reworded { get; init; }

    /// <summary>The replay into the scratch database.</summary>
    public required ReplayResult Replay { get; init; }

    /// <summary>Whether nothing was lost or changed.</summary>
    public bool IsProven => Differences.Count == 0;
}
