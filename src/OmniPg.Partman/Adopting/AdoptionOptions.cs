namespace OmniPg.Partman;

/// <summary>What an adoption is told beyond what the catalog and a row of pg_partman 4 say. Everything may be left out.</summary>
public sealed class AdoptionOptions : ICheckedOptions
{
    /// <summary>The column of an inheritance set that its checks are about. Default <see langword="null"/>: the one that they have in common.</summary>
    public string? Control { get; set; }

    /// <summary>What the column's values mean. Default <see langword="null"/>: by its type, numbers as ids.</summary>
    public PartitionKeyKind? Kind { get; set; }

    /// <summary>Length of new partitions by time. Default <see langword="null"/>: that of the newest ones.</summary>
    public PgInterval? Interval { get; set; }

    /// <summary>Ids in a new partition. Default <see langword="null"/>: as in the newest ones.</summary>
    public long? IdInterval { get; set; }

    /// <summary>Time zone whose midnights are boundaries. Default <see langword="null"/>: that of the server or UTC, in which the bounds of days and longer are midnights.</summary>
    public string? TimeZone { get; set; }

    /// <summary>Partitions kept ready ahead of the current one. Default <see langword="null"/>: as a row of pg_partman 4 says, else 4.</summary>
    public int? Premake { get; set; }

    /// <summary>Which partition counts as the current one. Default <see cref="PremakeBasis.Clock"/>.</summary>
    public PremakeBasis Basis { get; set; }

    /// <summary>Age at which partitions by time retire. Default <see langword="null"/>: as a row of pg_partman 4 says, else never.</summary>
    public PgInterval? Retention { get; set; }

    /// <summary>Distance from the newest id at which partitions by id retire. Default <see langword="null"/>: as a row of pg_partman 4 says, else never.</summary>
    public long? IdRetention { get; set; }

    /// <summary>What becomes of a partition that retires. Default <see langword="null"/>: as a row of pg_partman 4 says, else <see cref="ExpiredAction.Detach"/>.</summary>
    public ExpiredAction? WhenExpired { get; set; }

    /// <summary>Schema for <see cref="ExpiredAction.Move"/>.</summary>
    public string? RetentionSchema { get; set; }

    /// <summary>Table that new partitions take indexes, storage parameters and persistence from. Default <see langword="null"/>: none, or one that is made where an inheritance set needs it.</summary>
    public QualifiedName? Template { get; set; }

    /// <summary>The trigger of an inheritance set that sends rows to the right table, which goes. Default <see langword="null"/>: the only one before <c>INSERT</c> for each row.</summary>
    public string? RoutingTrigger { get; set; }

    /// <summary>Whether a maintenance of all sets includes this one. Default <see langword="true"/>; one that a row of pg_partman 4 leaves out stays out.</summary>
    public bool AutomaticMaintenance { get; set; } = true;

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Identifier(Control, "column");
        check.Identifier(RoutingTrigger, "trigger");
        check.Defined(Kind);
        check.Defined(WhenExpired);
        check.Defined<PremakeBasis>(Basis);
        check.That(Interval is null || IdInterval is null, $"Interval '{Interval}' and IdInterval '{IdInterval}' contradict each other.");
    }
}
