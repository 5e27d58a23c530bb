namespace OmniPg.Mimeo;

/// <summary>How a table is compared with its source.</summary>
public sealed class ValidationOptions : ICheckedOptions
{
    /// <summary>Whether the values are compared, too, by a sum of hashes of all rows. Default false: rows are counted.</summary>
    public bool Checksum { get; set; }

    /// <summary>
    /// Value of the cursor column below the rows that are compared, exclusive, as text that the server reads. Default null: no bound. Inserter and updater only. Stands for the intervals
    /// of <c>validate_rowcount()</c>.
    /// </summary>
    public string? Start { get; set; }

    /// <summary>Value above them, exclusive. Default null: up to the place of the table.</summary>
    public string? End { get; set; }

    /// <summary>Longest wait for a refresh of the table that is running. Default zero: it is an error.</summary>
    public TimeSpan LockWait { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.NotNegative(options.LockWait);
    }
}

/// <summary>A table compared with its source, but for the rows that the next refresh brings.</summary>
/// <param name="Destination">The table.</param>
/// <param name="SourceRows">Rows at the source.</param>
/// <param name="DestinationRows">Rows here; of a logdel those that were not deleted.</param>
/// <param name="SourceChecksum">Sums of the rows' hashes there; null where they were only counted.</param>
/// <param name="DestinationChecksum">The same here.</param>
/// <param name="Warnings">What somebody should look at; empty for nothing.</param>
public sealed record ValidationResult(
    QualifiedName Destination, long SourceRows, long DestinationRows, string? SourceChecksum, string? DestinationChecksum, IReadOnlyList<string> Warnings)
{
    /// <summary>Whether no difference was found.</summary>
    public bool IsEqual => SourceRows == DestinationRows && SourceChecksum == DestinationChecksum;
}
