namespace OmniPg.Wal;

/// <summary>What a whole copy brought.</summary>
internal sealed record CopyOutcome(ObjectContent Content, WalSegmentSummary? Summary, IReadOnlyList<TargetOutcome> Targets);
