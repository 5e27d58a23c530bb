namespace OmniPg.Jobmon.Testing;

/// <summary>The log in memory: its runs, kept back or recorded, and the settings of whoever made it.</summary>
internal sealed class RecordingLog(TimeProvider time)
{
    private readonly List<JobEntry> _withheld = [];
    private readonly List<JobEntry> _recorded = [];

    public RecordingContext Context { get; } = new(time);

    public Lock Gate => Context.Gate;

    public DisposeBehavior DisposeBehavior { get; set; } = new JobmonOptions().DisposeBehavior;

    public Func<string, long>? SqlAnswer { get; set; }

    public InstanceHolders Holders { get; } = new(time);

    public void Add(JobEntry run)
    {
        lock (Gate)
        {
            if (run.Options.Record == RecordMode.ErrorsOnly)
                _withheld.Add(run);
            else
                Release(run);
        }
    }

    /// <summary>Gives a run and its steps their ids: from now on it is in the record.</summary>
    public void Release(JobEntry run)
    {
        lock (Gate)
        {
            if (run.Id is not null)
                return;
            _withheld.Remove(run);
            _recorded.Add(run);
            run.Number(_recorded.Count);
        }
    }

    /// <summary>Ends a run, unless it has ended before, and lets the next one of its name begin.</summary>
    public bool End(JobEntry run, JobOutcome outcome)
    {
        lock (Gate)
        {
            if (!run.End(outcome))
                return false;
            if (run.IsWorthRecording)
                Release(run);
        }

        // Only now: whoever takes the name next must find this run ended.
        Holders.Release(run);
        return true;
    }

    /// <summary>The recorded runs, oldest first.</summary>
    public List<JobEntry> Runs()
    {
        lock (Gate)
        {
            // The client notices on its own that a run has become long; here it is found when somebody looks.
            foreach (var lasting in _withheld.FindAll(run => run is { State: JobState.Running, IsLong: true }))
                Release(lasting);
            return [.. _recorded];
        }
    }

    /// <summary>Runs that have not ended, recorded or not.</summary>
    public List<JobEntry> Open()
    {
        lock (Gate)
            return [.. _recorded.Concat(_withheld).Where(run => run.State == JobState.Running)];
    }
}
