namespace OmniPg.Mimeo;

/// <summary>Which of the tables that are due are refreshed, and how many at once.</summary>
public sealed class DueOptions : ICheckedOptions
{
    /// <summary>Kinds that are refreshed. Default empty: all.</summary>
    public IReadOnlyCollection<ReplicationKind> Kinds { get; set; } = [];

    /// <summary>Most tables, those first that waited longest. Default null: all.</summary>
    public int? MaxTables { get; set; }

    /// <summary>Tables that are refreshed at once, each with a connection to both sides. Default 1; 1 to 64.</summary>
    public int MaxParallelTables { get; set; } = 1;

    /// <summary>Of those, tables of one source that are refreshed at once; those of other sources go on meanwhile. Default null: no other limit; at least 1.</summary>
    public int? MaxParallelPerSource { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.That(options.Kinds is not null && options.Kinds.All(Enum.IsDefined), "Kinds must be a list of known kinds.");
        check.AtLeast(options.MaxTables, 1);
        check.Range<int>(options.MaxParallelTables, 1, 64);
        check.AtLeast(options.MaxParallelPerSource, 1);
    }
}

/// <summary>What became of the tables that were due.</summary>
/// <param name="Results">Refreshed ones, in the order in which they ended.</param>
/// <param name="Failures">Those that failed; they keep none of the others.</param>
public sealed record DueResult(IReadOnlyList<RefreshResult> Results, IReadOnlyList<DueFailure> Failures);

/// <summary>A table that was due and could not be refreshed.</summary>
/// <param name="Destination">The table, which is as it was.</param>
/// <param name="Error">Why.</param>
public sealed record DueFailure(QualifiedName Destination, Exception Error);
