namespace OmniPg.Jobmon;

/// <summary>Privileges on some objects of one schema, which one kind of access needs.</summary>
/// <param name="Access">Least access that gets them.</param>
/// <param name="Side">Whether the objects are in the side schema.</param>
/// <param name="Privileges">For example <c>INSERT</c>.</param>
/// <param name="Objects">Names inside the schema; functions with the types of their arguments.</param>
internal sealed record JobmonGrant(JobmonAccess Access, bool Side, string[] Privileges, string[] Objects)
{
    /// <summary>What GRANT has to be told about the objects: nothing for tables, else <c>SEQUENCE </c> or <c>FUNCTION </c>.</summary>
    public string Kind { get; init; } = "";

    public Privileges In(PgIdentifier schema, PgIdentifier side) => new(Side ? side : schema, Kind, Privileges, Objects);

    /// <summary>The only mode that needs them; <see langword="null"/>: both do.</summary>
    public JobmonMode? Only { get; init; }

    /// <summary>Access from which on the package itself uses them; <see langword="null"/>: only people with psql and jobs in SQL do.</summary>
    public JobmonAccess? UsedFrom { get; init; } = Access;
}
