namespace OmniPg.Jobmon;

/// <summary>A rule that does not do what its author meant.</summary>
/// <param name="JobName">Name in the rule; <see langword="null"/> for a finding about the status texts.</param>
/// <param name="Code">
/// Stable name of the finding: <c>name-not-upper-case</c>, <c>warning-after-error</c>, <c>threshold-not-positive</c>, <c>never-ran</c>,
/// <c>inactive</c>, <c>schedule-invalid</c>, <c>success-text-missing</c> or <c>status-text-twice</c>.
/// </param>
/// <param name="Message">What is wrong and what follows from it.</param>
public sealed record ConfigFinding(string? JobName, string Code, string Message);
