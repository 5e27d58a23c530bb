namespace OmniPg.Partman;

/// <summary>What became of a set that was declared.</summary>
/// <param name="Table">The table.</param>
/// <param name="Outcome">What was done.</param>
/// <param name="Changed">Names of the properties that were others before; empty unless it was changed.</param>
public sealed record DeclaredSet(QualifiedName Table, DeclaredFate Outcome, IReadOnlyList<string> Changed);
