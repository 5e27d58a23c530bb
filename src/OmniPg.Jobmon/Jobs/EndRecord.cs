namespace OmniPg.Jobmon;

/// <summary>What is written when a run ends: the end of its open steps, its last log lines, and its own end, as one batch.</summary>
internal static class EndRecord
{
    public const string BeforeFirstStep = "EXCEPTION before first step logged";
    public const string AfterLastStep = "EXCEPTION after last step logged";
    public const string Finished = "Finished";

    public static List<LogEvent> Events(JobRow job, JobOutcome outcome, OpenSteps steps, RunFlusher flusher, RunValues values, JobmonRuntime runtime)
    {
        var begun = steps.Any;
        var (open, recorded) = steps.Close();
        var known = outcome.Cause is { } cause && ReferenceEquals(cause, recorded);
        // The innermost step is where the work stood: it gets the reason, if there is a row that can carry it.
        var culprit = outcome.IsFailure && !known ? Array.FindLast(open, step => !step.Row.Lost) : null;

        var events = new List<LogEvent>(open.Length + 1);
        // Inner steps first, as they would have ended by themselves.
        foreach (var step in open.AsEnumerable().Reverse())
            events.Add(step.EndWithJob(outcome.Level, step == culprit ? outcome.Message : null, step == culprit ? outcome.Error : null));
        events.AddRange(flusher.LastLines());
        // A message that no step carries gets a step of its own: the tables of the original have no other place for it.
        var homeless = outcome.IsFailure ? culprit is null && !known : outcome.Message is not null;
        events.Add(new JobEndedEvent(job, runtime.Writer.Mark(), outcome.Level)
        {
            FinalAction = !homeless ? null : !outcome.IsFailure ? Finished : begun ? AfterLastStep : BeforeFirstStep,
            FinalMessage = homeless ? outcome.Message : null,
            ErrorJson = outcome.Error is { } error ? ErrorDocument.Json(error, runtime.Texts)
                : outcome.IsFailure ? ErrorDocument.Json(outcome.Message!, runtime.Texts) : null,
            ResultJson = values.Json(runtime.Texts),
        });
        return events;
    }
}
