namespace OmniPg.Jobmon;

/// <summary>The open steps of one run, in the order in which they began.</summary>
internal sealed class OpenSteps
{
    // A leaf among the locks: nothing is awaited or locked under it.
    private readonly Lock _gate = new();
    private readonly List<StepRun> _open = [];
    private int _begun;
    private Exception? _recorded;

    public bool Any => Volatile.Read(ref _begun) > 0;

    /// <summary>Position of the next step among all steps of the run, from 1.</summary>
    public int NextOrdinal() => Interlocked.Increment(ref _begun);

    public void Add(StepRun step)
    {
        lock (_gate)
            _open.Add(step);
    }

    /// <summary>A step ended; its exception need not be recorded again when it ends the run, too.</summary>
    public void Ended(StepRun step, Exception? error)
    {
        lock (_gate)
        {
            _open.Remove(step);
            _recorded = error ?? _recorded;
        }
    }

    /// <summary>Ends all of them with their run, inner ones first, as they would have ended by themselves.</summary>
    /// <returns>Their ends, and whether the message of the run stands with none of them.</returns>
    public (List<LogEvent> Ends, bool IsHomeless) EndWith(JobOutcome outcome)
    {
        var (open, recorded) = Close();
        var known = outcome.Cause is { } cause && ReferenceEquals(cause, recorded);
        // The innermost step is where the work stood: it gets the reason, if there is a row that can carry it.
        var culprit = outcome.IsFailure && !known ? Array.FindLast(open, step => !step.Row.Lost) : null;
        var ends = new List<LogEvent>(open.Length + 1);
        foreach (var step in open.AsEnumerable().Reverse())
            ends.Add(step.EndWithJob(outcome.Level, step == culprit ? outcome.Message : null, step == culprit ? outcome.Error : null));
        return (ends, outcome.IsFailure ? culprit is null && !known : outcome.Message is not null);
    }

    /// <summary>Empties the list for the end of the run.</summary>
    /// <returns>The steps, innermost last, and the exception that was recorded last with a step.</returns>
    public (StepRun[] Open, Exception? Recorded) Close()
    {
        lock (_gate)
        {
            var open = _open.ToArray();
            _open.Clear();
            return (open, _recorded);
        }
    }

    /// <summary>Steps with progress that the server does not have, each marked as being written.</summary>
    public List<StepRun> TakeMoved()
    {
        var moved = new List<StepRun>();
        lock (_gate)
        {
            foreach (var step in _open)
            {
                if (step.Row.StepId is not null && step.Cell.TakeChange())
                    moved.Add(step);
            }
        }

        return moved;
    }
}
