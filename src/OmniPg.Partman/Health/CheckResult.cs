namespace OmniPg.Partman;

/// <summary>What a check of all sets found.</summary>
/// <param name="Sets">Sets that were looked at.</param>
/// <param name="Findings">What is wrong; empty when nothing is.</param>
public sealed record CheckResult(int Sets, IReadOnlyList<SetFinding> Findings)
{
    /// <summary>The worst of all findings.</summary>
    public FindingLevel Worst => Findings.Count == 0 ? FindingLevel.Ok : Findings.Max(f => f.Level);
}

/// <summary>Something that is wrong with a set.</summary>
/// <param name="Table">The set, as the configuration names it.</param>
/// <param name="Kind">What.</param>
/// <param name="Level">How bad.</param>
/// <param name="Text">A sentence about it.</param>
public sealed record SetFinding(string Table, FindingKind Kind, FindingLevel Level, string Text);

/// <summary>How bad a finding is.</summary>
public enum FindingLevel
{
    /// <summary>Nothing is wrong.</summary>
    Ok,

    /// <summary>Somebody should look at it.</summary>
    Warning,

    /// <summary>Rows are refused or go astray, now or with the next boundary.</summary>
    Critical,
}

/// <summary>What can be wrong with a set.</summary>
public enum FindingKind
{
    /// <summary>Its configuration or catalog cannot be worked with.</summary>
    Configuration,

    /// <summary>Fewer partitions are ready ahead than the set premakes.</summary>
    TooFewAhead,

    /// <summary>The default partition holds rows.</summary>
    DefaultRows,

    /// <summary>There is a gap between two partitions.</summary>
    Gap,

    /// <summary>A <c>DETACH CONCURRENTLY</c> was interrupted.</summary>
    DetachPending,

    /// <summary>An interrupted attach left a check on the default partition, which refuses rows.</summary>
    AttachCheck,

    /// <summary>An index of a partition is invalid.</summary>
    InvalidIndex,

    /// <summary>A table is named like a partition of the set and is none.</summary>
    Unattached,

    /// <summary>A partition is expired and still there.</summary>
    Expired,

    /// <summary>The last maintenance failed, or there was none for long.</summary>
    Maintenance,

    /// <summary>A conversion was left alone, and its table will refuse rows before long; the next maintenance lets it go.</summary>
    Conversion,

    /// <summary>Partitions are being copied for a repartitioning, or were when it was killed: their writers fill a log.</summary>
    Repartition,

    /// <summary>A table whose rows were moved without autovacuum did not get its setting back: somebody holds it, or it is another role's by now.</summary>
    Autovacuum,
}
