namespace OmniPg.Partman;

/// <summary>What became of a set that was declared.</summary>
/// <param name="Table">The table.</param>
/// <param name="Outcome">What was done.</param>
/// <param name="Changed">Names of the properties that were others before; empty unless it was changed.</param>
public sealed record DeclaredSet(QualifiedName Table, DeclaredFate Outcome, IReadOnlyList<string> Changed);

/// <summary>What is done with a set that is declared.</summary>
public enum DeclaredFate
{
    /// <summary>It is as it was declared.</summary>
    Unchanged,

    /// <summary>It was made.</summary>
    Created,

    /// <summary>Its configuration was changed.</summary>
    Changed,
}
