namespace OmniPg.Jobmon;

/// <summary>A rule that does not do what its author meant.</summary>
/// <param name="JobName">Name in the rule; <see langword="null"/> for a finding about the status texts.</param>
/// <param name="Code">Stable name of the finding, for example <c>name-not-upper-case</c>.</param>
/// <param name="Message">What is wrong and what follows from it.</param>
public sealed record ConfigFinding(string? JobName, string Code, string Message);
