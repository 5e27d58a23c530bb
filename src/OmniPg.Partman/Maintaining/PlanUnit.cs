namespace OmniPg.Partman;

/// <summary>One transaction of a plan, or one statement that must stand outside of any. What the plan prints is made of what is executed.</summary>
internal sealed record PlanUnit
{
    public required string Kind { get; init; }

    /// <summary>The partition; null for what concerns the whole set.</summary>
    public QualifiedName? Child { get; init; }

    /// <summary>The partition as the plan knew it, where the unit takes it away: its name must not mean another table by then. 0 where it is made.</summary>
    public uint ChildOid { get; init; }

    public PartitionBound Lower { get; init; }

    public PartitionBound Upper { get; init; }

    public required string Reason { get; init; }

    public required IReadOnlyList<string> Statements { get; init; }

    /// <summary>Strongest first.</summary>
    public required IReadOnlyList<SqlPlanLock> Locks { get; init; }

    /// <summary>Whether the statement is one that the server refuses inside of a transaction.</summary>
    public bool IsOutside { get; init; }

    public bool DestroysData { get; init; }

    /// <summary>What the unit does to its partition; Keep for preparations.</summary>
    public PartitionFate Fate { get; init; }

    /// <summary>Whether units that come after it make sense without it: those of other partitions do.</summary>
    public bool IsPreparation { get; init; }

    /// <summary>Whether it makes sense only behind the unit before it, and falls with that one.</summary>
    public bool Continues { get; init; }

    /// <summary>Statements of one transaction that follow when a statement outside of any has failed, for what that may have left; empty for none.</summary>
    public IReadOnlyList<string> WhenInterrupted { get; init; } = [];

    /// <summary>A question that is answered with true while what the unit takes from is still what it was planned for; asked under the locks of the unit. Null for none.</summary>
    public string? Holds { get; init; }

    public SqlPlanStep ToStep(TimeSpan lockTimeout) => new()
    {
        Kind = Kind,
        Reason = Reason,
        Sql = IsOutside ? Statements[0] : $"BEGIN;\n{LockTimeout(lockTimeout)};\n{string.Join(";\n", Statements)};\nCOMMIT",
        OwnTransaction = true,
        Locks = Locks,
        DestroysData = DestroysData,
    };

    public static string LockTimeout(TimeSpan limit) =>
        $"SET LOCAL lock_timeout = {((long)limit.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture)}";
}
