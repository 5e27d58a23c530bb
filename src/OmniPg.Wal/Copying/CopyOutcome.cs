namespace OmniPg.Wal;

/// <summary>What a whole copy brought.</summary>
internal sealed record CopyOutcome(WalObjectContent Content, WalSegmentSummary? Summary, IReadOnlyList<TargetOutcome> Targets);
