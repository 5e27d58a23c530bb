namespace OmniPg.Mimeo;

/// <summary>How a column differs between a table and its source.</summary>
public enum ColumnDriftKind
{
    /// <summary>The source has it, the destination has not.</summary>
    MissingHere,

    /// <summary>The list of columns, the key or the cursor names it, or the queue of a logdel has it, and the source has none of that name.</summary>
    MissingAtSource,

    /// <summary>Both have it, with types of different names.</summary>
    OtherType,

    /// <summary>Both have it, and its length or precision is smaller here: values that do not fit are rounded or refused. Rows that were rounded are repaired behind the statement.</summary>
    NarrowerHere,

    /// <summary>The destination computes it, so that no value can be written.</summary>
    GeneratedHere,
}

/// <summary>One column that does not fit.</summary>
/// <param name="Column">Its name.</param>
/// <param name="Kind">How it differs.</param>
/// <param name="SourceType">Its type at the source; null where it has none there.</param>
/// <param name="DestinationType">Its type here; null where it has none here.</param>
/// <param name="Statement">What mends it here; null where nothing does, and for a snapshot, which its next refresh makes anew.</param>
public sealed record ColumnDrift(string Column, ColumnDriftKind Kind, string? SourceType, string? DestinationType, string? Statement);

/// <summary>Columns of a table that do not fit those of its source, and what mends them.</summary>
/// <param name="Destination">The table.</param>
/// <param name="From">Name of its source.</param>
/// <param name="Source">The table there.</param>
/// <param name="Columns">Each column that does not fit, in the source's order; empty for none.</param>
/// <param name="SourceStatements">
/// What to run at the source, in this order and behind what has to be run here: columns that a queue lacks, has with another type or has no more use for, and the function that fills them.
/// A column that is taken away from the queue of a logdel takes the values of deleted rows with it that still wait there: refresh the table first.
/// </param>
/// <remarks>Rows that are there already have no value in a column that is added: repull the table where they had one at the source.</remarks>
public sealed record DriftResult(QualifiedName Destination, string From, QualifiedName Source, IReadOnlyList<ColumnDrift> Columns, IReadOnlyList<string> SourceStatements)
{
    /// <summary>Whether a refresh would be refused or warn, or a snapshot be made anew.</summary>
    public bool HasDrift => Columns.Count > 0 || SourceStatements.Count > 0;
}
