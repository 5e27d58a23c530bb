namespace OmniPg.Wal;

/// <summary>What became of one target.</summary>
internal sealed record TargetOutcome(CopyTarget Target, ObjectCommitResult? Commit, long StoredBytes, TimeSpan Elapsed, Exception? Error);
