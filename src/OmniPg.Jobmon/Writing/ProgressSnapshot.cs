namespace OmniPg.Jobmon;

/// <summary>Progress numbers at one moment.</summary>
internal readonly record struct ProgressSnapshot(bool Reported, long Current, long? Total, string? Unit);
