namespace OmniPg.Partman;

/// <summary>Which columns of which partitions are constrained to the values that they hold.</summary>
public sealed class ConstraintOptions : ICheckedOptions
{
    /// <summary>The columns; the control column needs none. Default <see langword="null"/>: those of <c>constraint_cols</c> in the configuration.</summary>
    public IReadOnlyList<string>? Columns { get; set; }

    /// <summary>
    /// Partitions from the current one back to the first that is constrained; all before that one are as well. Default <see langword="null"/>:
    /// <c>optimize_constraint</c> of the configuration, which is 30 unless somebody changed it. Range 1 to 1,000,000; 1 is the partition before the current one.
    /// </summary>
    public int? Distance { get; set; }

    /// <summary>
    /// Whether the constraint is proven for the rows that are there, in a scan beside readers and writers; otherwise it holds for new rows only, and queries gain
    /// nothing by it. Default <see langword="null"/>: <c>constraint_valid</c> of the configuration, which is on unless somebody changed it.
    /// </summary>
    public bool? Validate { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        foreach (var column in Columns ?? [])
            check.Identifier(column, "column", nameof(Columns));
        check.That(Columns is null || Columns.Count > 0, "Columns must name a column, or be left out.");
        check.Range(Distance, 1, 1_000_000);
    }
}

/// <summary>A column of a partition that was to be constrained.</summary>
/// <param name="Partition">The partition.</param>
/// <param name="Column">The column.</param>
/// <param name="Outcome">What was done.</param>
public sealed record ConstrainedColumn(QualifiedName Partition, string Column, ConstraintFate Outcome);

/// <summary>What became of a constraint.</summary>
public enum ConstraintFate
{
    /// <summary>It was made.</summary>
    Added,

    /// <summary>It was there without a proof, and is proven now.</summary>
    Validated,

    /// <summary>The column holds nothing but nulls.</summary>
    NoValues,

    /// <summary>Rows beyond its bounds came while it was made, so there is none: the partition is not cold.</summary>
    WrittenMeanwhile,

    /// <summary>It was dropped.</summary>
    Dropped,
}
