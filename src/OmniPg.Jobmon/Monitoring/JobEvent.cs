namespace OmniPg.Jobmon;

/// <summary>A start or an end of a run.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Job">The run as it was read after the event.</param>
public sealed record JobEvent(JobEventKind Kind, JobRecord Job);
