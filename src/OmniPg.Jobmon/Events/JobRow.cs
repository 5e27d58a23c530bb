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
