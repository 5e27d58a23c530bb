namespace OmniPg.Jobmon;

/// <summary>Privileges on some relations of one schema, which one kind of access needs.</summary>
/// <param name="Access">Least access that gets them.</param>
/// <param name="Side">Whether the relations are in the side schema.</param>
/// <param name="Privileges">For example <c>INSERT</c>.</param>
/// <param name="Relations">Names inside the schema.</param>
internal sealed record JobmonGrant(JobmonAccess Access, bool Side, string[] Privileges, string[] Relations)
{
    public bool Sequences { get; init; }

    /// <summary>The only mode that needs them; <see langword="null"/>: both do.</summary>
    public JobmonMode? Only { get; init; }

    /// <summary>Access from which on the package itself uses them; <see langword="null"/>: only people with psql do.</summary>
    public JobmonAccess? UsedFrom { get; init; } = Access;
}
