using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Testing;

/// <content>What the end of a run does to it and to its open steps.</content>
internal sealed partial class JobEntry
{
    /// <summary>Ends the run, and every open step with it; false when it has ended before.</summary>
    public bool End(JobOutcome outcome)
    {
        if (State != JobState.Running)
            return false;
        State = outcome.State;
        var begun = _steps > 0;
        var open = Steps.FindAll(step => step.IsOpen);
        var known = outcome.Cause is { } cause && ReferenceEquals(cause, LastStepError);
        // The innermost step is where the work stood: it gets the reason.
        var culprit = outcome.IsFailure && open.Count > 0 && !known ? open[^1] : null;
        foreach (var step in open)
        {
            var message = step == culprit ? outcome.Message : string.Join('\n', OpenStepTexts(step));
            step.End(outcome.Level, message, error: step == culprit ? outcome.Error : null);
        }

        if (outcome.IsFailure ? culprit is null && !known : outcome.Message is not null)
            AddStep(!outcome.IsFailure ? EndRecord.Finished : begun ? EndRecord.AfterLastStep : EndRecord.BeforeFirstStep, outcome.Level, outcome.Message);
        Close(outcome);
        return true;
    }

    /// <summary>The record of the original for a run that found another one at work.</summary>
    public void Skip()
    {
        State = JobState.Skipped;
        Begin(null, RunStart.ObtainingLock(Name)).End(AlertLevel.Warning, RunStart.FoundConcurrent);
        Close(new JobOutcome(AlertLevel.Warning, JobState.Skipped, null, null));
    }

    /// <summary>Whether a run that is kept back is recorded after all, now that it has ended.</summary>
    public bool IsWorthRecording => Outcome is not { Level.Code: 1 } || IsLong || Steps.Exists(step => step.Level != AlertLevel.Ok);

    private static IEnumerable<string> OpenStepTexts(StepEntry step)
    {
        yield return JobEndedEvent.OpenStepMessage;
        if (step.ProgressMessage is { } progress)
            yield return progress;
    }

    private void AddStep(string action, AlertLevel level, string? message) => Add(new StepEntry(context, null, null, action)).End(level, message);

    private void Close(JobOutcome outcome)
    {
        Outcome = outcome;
        Status = context.StatusText(outcome.Level);
        EndTime = context.Time.GetUtcNow();
        if (_droppedLines > 0)
            _lines.Add((null, Line(LogLevel.Warning, LogLineBuffer.OwnCategory, LogLineBuffer.Dropped(_droppedLines))));
        if (Scope is not null)
            Scope.Ended = true;
    }
}
