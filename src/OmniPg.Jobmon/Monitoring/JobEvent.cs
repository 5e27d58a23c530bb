namespace OmniPg.Jobmon;

/// <summary>A start or an end of a run.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Job">The run as it was read after the event: a start may show its end already, when both came between two looks.</param>
public sealed record JobEvent(JobEventKind Kind, JobRecord Job);
