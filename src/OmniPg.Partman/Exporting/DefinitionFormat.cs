namespace OmniPg.Partman;

/// <summary>How the definition of a set is written.</summary>
public enum DefinitionFormat
{
    /// <summary>A JSON object as a file for <c>omnipg partman apply</c> holds it; all that this package knows of the set.</summary>
    Json,

    /// <summary>A call of <see cref="IPartman.CreateAsync"/> in C#.</summary>
    CSharp,

    /// <summary>Calls of pg_partman 5 in SQL; what it does not know stands as comments.</summary>
    ExtensionSql,
}
