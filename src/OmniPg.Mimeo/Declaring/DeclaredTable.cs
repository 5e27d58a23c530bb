namespace OmniPg.Mimeo;

/// <summary>What became of a table that was declared.</summary>
/// <param name="Destination">The table.</param>
/// <param name="Outcome">What was done.</param>
/// <param name="Changed">Names of the properties that were others before; empty unless it was changed.</param>
/// <param name="Warnings">What somebody should look at, of its set-up; empty for nothing.</param>
public sealed record DeclaredTable(QualifiedName Destination, DeclaredFate Outcome, IReadOnlyList<string> Changed, IReadOnlyList<string> Warnings);
