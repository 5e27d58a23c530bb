namespace OmniPg.Partman;

/// <summary>What a table with partitions turned out to be, and what makes a set of it.</summary>
/// <param name="Set">The set, as it is or will be configured.</param>
/// <param name="Kind">How the table was partitioned.</param>
/// <param name="Partitions">Its partitions by their bounds, the default last.</param>
/// <param name="Notes">Sentences on what somebody should know or do behind it.</param>
/// <param name="Sql">The statements.</param>
public sealed record Adoption(PartitionSet Set, AdoptedKind Kind, IReadOnlyList<Partition> Partitions, IReadOnlyList<string> Notes, SqlPlan Sql);

/// <summary>How a table is partitioned that is adopted.</summary>
public enum AdoptedKind
{
    /// <summary>By <c>PARTITION BY</c>, whoever made the partitions. Only the configuration is written.</summary>
    Declarative,

    /// <summary>By tables that inherit from it, with a check each, and a trigger that sends new rows there. It becomes a declarative set.</summary>
    Inheritance,
}
