namespace OmniPg.Extractor;

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
