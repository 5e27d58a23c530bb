namespace OmniPg.Jobmon;

/// <summary>What the writer knows about one run: its identity on both sides.</summary>
internal sealed class JobRow(string name)
{
    private const int Written = 0;
    private const int KeptBack = 1;
    private const int Forgotten = 2;

    // 0 for none: the sequences of the log begin at 1. Set by whoever drains the journal, read by the threads of the work.
    private long _jobId;
    private int _record;

    /// <summary>Name as typed by the caller.</summary>
    public string Name { get; } = name;

    /// <summary>Identity given by this process, which makes a repeated insert recognisable.</summary>
    public Guid Token { get; init; } = Guid.NewGuid();

    /// <summary>The process that this run belongs to, when it is another one whose events are written for it; null for this process.</summary>
    public WriteContext? Origin { get; init; }

    /// <summary>Events not yet written.</summary>
    public JobJournal Journal { get; } = new();

    /// <summary>Id given by the server; null until the start is written.</summary>
    public long? JobId
    {
        get => Interlocked.Read(ref _jobId) is > 0 and var id ? id : null;
        set => Interlocked.Exchange(ref _jobId, value ?? 0);
    }

    /// <summary>The start was refused for good: nothing of this run can be written.</summary>
    public bool Lost { get; set; }

    /// <summary>Nothing is written until it is known whether this run is worth a record.</summary>
    public bool Withheld
    {
        get => Volatile.Read(ref _record) != Written;
        init => _record = value ? KeptBack : Written;
    }

    /// <summary>The run is worth a record, from now on.</summary>
    public void Release() => Interlocked.CompareExchange(ref _record, Written, KeptBack);

    /// <summary>The run is over and not worth a record; false when somebody has released it before.</summary>
    public bool TryForget() => Interlocked.CompareExchange(ref _record, Forgotten, KeptBack) == KeptBack;

    /// <summary>The end found the row ended by somebody else.</summary>
    public bool EndedElsewhere { get; set; }
}

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
            var ready = _events.FindIndex(static e => !e.IsReady);
            return _events.GetRange(0, Math.Min(limit, ready < 0 ? _events.Count : ready));
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

    public void Clear()
    {
        lock (_lock)
            _events.Clear();
    }

    /// <summary>The events that wait now.</summary>
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

/// <summary>What the writer knows about one step.</summary>
internal sealed class StepRow(JobRow job, StepRow? parent, int ordinal, string action)
{
    private long _stepId;

    public JobRow Job { get; } = job;

    public StepRow? Parent { get; } = parent;

    /// <summary>Position among all steps of the run, from 1.</summary>
    public int Ordinal { get; } = ordinal;

    public string Action { get; } = action;

    public Guid Token { get; init; } = Guid.NewGuid();

    /// <summary>Id given by the server; null until the start is written.</summary>
    public long? StepId
    {
        get => Interlocked.Read(ref _stepId) is > 0 and var id ? id : null;
        set => Interlocked.Exchange(ref _stepId, value ?? 0);
    }

    /// <summary>The start was refused or dropped: nothing of this step can be written.</summary>
    public bool Lost { get; set; }
}
