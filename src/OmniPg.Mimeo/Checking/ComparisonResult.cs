namespace OmniPg.Mimeo;

/// <summary>How the rows of a table are compared with those of its source.</summary>
public sealed class ComparisonOptions : ICheckedOptions
{
    /// <summary>Most rows that are told by their key; all are counted, and repaired where that is wanted. Default 1,000; 0 to 1,000,000.</summary>
    public int MaxRows { get; set; } = 1000;

    /// <summary>Longest wait for a refresh of the table that is running. Default zero: it is an error.</summary>
    public TimeSpan LockWait { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.Range<int>(options.MaxRows, 0, 1_000_000);
        check.NotNegative(options.LockWait);
    }
}

/// <summary>The rows by which a table differs from its source, but for those that the next refresh brings.</summary>
/// <param name="Destination">The table.</param>
/// <param name="SourceRows">Rows at the source.</param>
/// <param name="DestinationRows">Rows here, before a repair; of a logdel those that were not deleted.</param>
/// <param name="MissingHere">Rows that only the source has.</param>
/// <param name="MissingAtSource">Rows that only the destination has.</param>
/// <param name="Different">Rows with other values, or more than one row for a key here.</param>
/// <param name="Rows">Those rows, in the order of their keys as text; not all where there are more than <see cref="ComparisonOptions.MaxRows"/>.</param>
/// <param name="IsRepaired">Whether the destination has the source's rows now.</param>
/// <param name="Warnings">What somebody should look at; empty for nothing.</param>
public sealed record ComparisonResult(
    QualifiedName Destination, long SourceRows, long DestinationRows, long MissingHere, long MissingAtSource, long Different, IReadOnlyList<RowDifference> Rows, bool IsRepaired,
    IReadOnlyList<string> Warnings)
{
    /// <summary>Whether no difference was found.</summary>
    public bool IsEqual => MissingHere + MissingAtSource + Different == 0;
}

/// <summary>A row that is not the same on both sides.</summary>
/// <param name="Key">Values of the key, as the server writes a row: <c>(17,DE)</c>.</param>
/// <param name="Kind">What is the matter with it.</param>
public sealed record RowDifference(string Key, RowDifferenceKind Kind);

/// <summary>What is the matter with a row.</summary>
public enum RowDifferenceKind
{
    /// <summary>Only the source has it.</summary>
    MissingHere,

    /// <summary>Only the destination has it.</summary>
    MissingAtSource,

    /// <summary>Its values differ, or the destination has the key more than once.</summary>
    OtherValues,
}
