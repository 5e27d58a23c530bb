namespace OmniPg.Jobmon;

/// <summary>A run, or a step of it, that is open in an asynchronous flow.</summary>
internal sealed class JobScope(JobRun job, StepRow? step = null) : FlowScope
{
    public JobRun Job { get; } = job;

    /// <summary>The step, if it is one; null for the run itself.</summary>
    public StepRow? Step { get; } = step;

    /// <summary>The innermost open scope of a run that is recorded anywhere.</summary>
    public static JobScope? Current => Find<JobScope, int>(static (scope, _) => scope.Job.Runtime.Sink.Log is not null, 0);

    /// <summary>The innermost open scope of a run of one client.</summary>
    public static JobScope? CurrentOf(JobmonRuntime runtime) => Find<JobScope, JobmonRuntime>(static (scope, wanted) => scope.Job.Runtime == wanted, runtime);

    /// <summary>The run that a new one belongs to: the one that is named, else the open one of the same client in this flow; null for none.</summary>
    /// <exception cref="ArgumentException">The named one is recorded elsewhere: its id would mean another run here.</exception>
    public static JobRow? ParentOf(IJob? parent, JobmonRuntime runtime)
    {
        if (parent is null)
            return CurrentOf(runtime)?.Job.Row;
        // What is recorded nowhere has no id that could be wrong.
        if (runtime.Sink.Log is null || parent is JobRun { Runtime.Sink.Log: null })
            return null;
        return parent is JobRun run && run.Runtime.Sink.Log!.Equals(runtime.Sink.Log)
            ? run.Row
            : throw new ArgumentException($"Job '{parent.Name}' cannot be the parent: it is recorded in another log.", nameof(parent));
    }
}
