namespace OmniPg.Jobmon;

/// <summary>What the writer knows about one run: its identity on both sides.</summary>
internal sealed class JobRow(string name)
{
    private long _jobId;

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
    public bool Withheld { get; set; }

    /// <summary>The end found the row ended by somebody else.</summary>
    public bool EndedElsewhere { get; set; }
}
