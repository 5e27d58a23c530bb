namespace OmniPg.Jobmon;

/// <summary>The open steps of one run, in the order in which they began.</summary>
internal sealed class OpenSteps
{
    // A leaf among the locks: nothing is awaited or locked under it.
    private readonly Lock _gate = new();
    private readonly List<StepRun> _open = [];
    private int _begun;
    private Exception? _recorded;

    /// <summary>Whether any step was begun so far.</summary>
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
