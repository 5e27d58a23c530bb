namespace OmniPg.Jobmon;

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
