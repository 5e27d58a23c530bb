namespace OmniPg.Mimeo;

/// <summary>What both roles may do for one table. The statements are those that are missing, ready for somebody who may grant it.</summary>
/// <param name="Destination">The table.</param>
/// <param name="From">Name of its source.</param>
/// <param name="SourceStatements">What to run at the source; empty for nothing.</param>
/// <param name="DestinationStatements">What to run at the destination; empty for nothing.</param>
public sealed record AccessResult(QualifiedName Destination, string From, IReadOnlyList<string> SourceStatements, IReadOnlyList<string> DestinationStatements)
{
    /// <summary>Whether nothing is missing.</summary>
    public bool IsComplete => SourceStatements.Count + DestinationStatements.Count == 0;
}
