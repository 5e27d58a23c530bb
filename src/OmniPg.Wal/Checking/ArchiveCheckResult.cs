namespace OmniPg.Wal;

/// <summary>What a check of archiving found.</summary>
/// <param name="Findings">What is not as it should be, worst first; empty when all is well.</param>
/// <param name="Segment">The segment that the check ended; null when it ended none.</param>
/// <param name="Arrival">How long it took until every archive had a valid copy of it; null when it did not get so far.</param>
public sealed record ArchiveCheckResult(IReadOnlyList<ArchiveCheckFinding> Findings, WalFileName? Segment, TimeSpan? Arrival)
{
    /// <summary>The worst level of all; <see cref="ArchiveCheckLevel.Ok"/> without findings.</summary>
    public ArchiveCheckLevel Worst => Findings.Count == 0 ? ArchiveCheckLevel.Ok : Findings.Max(f => f.Level);
}

/// <summary>How bad something is.</summary>
public enum ArchiveCheckLevel
{
    /// <summary>All is well.</summary>
    Ok,

    /// <summary>WAL is archived; somebody should have a look.</summary>
    Warning,

    /// <summary>WAL is not archived, or soon will not be.</summary>
    Critical,
}

/// <summary>Something that is not as it should be.</summary>
/// <param name="Level">How bad it is.</param>
/// <param name="Subject">What it is about: a setting, a right, an archive.</param>
/// <param name="Text">What is wrong.</param>
/// <param name="Hint">The next step.</param>
public sealed record ArchiveCheckFinding(ArchiveCheckLevel Level, string Subject, string Text, string Hint);
