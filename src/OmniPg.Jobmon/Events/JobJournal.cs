namespace OmniPg.Jobmon;

/// <summary>Events of one run in order, kept until the server has them. One writer at a time drains it.</summary>
internal sealed class JobJournal
{
    public const int MaxBatch = 64;

    // A leaf among the locks: taken under the gate, never the other way round.
    private readonly Lock _lock = new();
    private readonly List<LogEvent> _events = [];

    /// <summary>Held while events are sent, so that they arrive in order.</summary>
    public SemaphoreSlim Gate { get; } = new(1, 1);

    public int Count
    {
        get
        {
            lock (_lock)
                return _events.Count;
        }
    }

    /// <summary>Adds an event; returns how many events had to be dropped to make room.</summary>
    public int Add(LogEvent added, int capacity)
    {
        lock (_lock)
        {
            // The client's dispose may end a run whose start is only being written.
            _events.Insert(added is JobStartedEvent ? 0 : _events.Count, added);
            return _events.Count > capacity ? DropOldestHarmlessStep() : 0;
        }
    }

    /// <summary>The next events that can go in one batch: each names only ids the server has given already.</summary>
    public List<LogEvent> NextBatch(int limit = MaxBatch)
    {
        lock (_lock)
        {
            var batch = new List<LogEvent>();
            foreach (var candidate in _events)
            {
                if (batch.Count == limit || !candidate.IsReady)
                    break;
                batch.Add(candidate);
            }

            return batch;
        }
    }

    /// <summary>Takes an event out; returns whether it was still there.</summary>
    public bool Remove(LogEvent settled)
    {
        lock (_lock)
            return _events.Remove(settled);
    }

    /// <summary>Removes events whose row does not exist and never will; returns how many.</summary>
    public int RemovePointless()
    {
        lock (_lock)
            return _events.RemoveAll(static e => e.IsPointless);
    }

    /// <summary>Whether a step that waits ended with something else than success.</summary>
    public bool HasFailure
    {
        get
        {
            lock (_lock)
                return _events.Exists(e => e is StepEndedEvent { IsSuccess: false });
        }
    }

    public void Clear()
    {
        lock (_lock)
            _events.Clear();
    }

    public void MarkLate()
    {
        lock (_lock)
        {
            foreach (var waiting in _events)
                waiting.Late = true;
        }
    }

    public List<LogEvent> Snapshot()
    {
        lock (_lock)
            return [.. _events];
    }

    private int DropOldestHarmlessStep()
    {
        foreach (var end in _events)
        {
            if (end is not StepEndedEvent { IsSuccess: true } success)
                continue;
            var begin = _events.Find(e => e is StepStartedEvent start && start.Step == success.Step);
            if (success.Step.StepId is null && begin is null)
                continue;
            // Steps inside it wait for its id, and everything behind them: they must know that it will never come.
            success.Step.Lost = begin is not null;
            return _events.RemoveAll(e => e is StepStartedEvent s && s.Step == success.Step || e == success);
        }

        return 0;
    }
}
