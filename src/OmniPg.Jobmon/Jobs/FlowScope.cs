using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A job or step that is open in an asynchronous flow. The scopes of one flow form a chain, innermost first.</summary>
internal sealed class FlowScope
{
    private static readonly AsyncLocal<FlowScope?> Innermost = new();

    static FlowScope() => AppDomain.CurrentDomain.FirstChanceException += static (_, thrown) => Note(thrown.Exception);

    private FlowScope(JobRun job, StepRow? step)
    {
        (Job, Step) = (job, step);
        Outer = Open(Innermost.Value);
        // Scopes that begin before the one ahead of them ends would else form a chain that grows as long as the flow lives.
        for (var scope = Outer; scope is not null; scope = scope.Outer)
            scope.Outer = Open(scope.Outer);
        Innermost.Value = this;
    }

    public JobRun Job { get; }

    /// <summary>The step, if it is one; null for the run itself.</summary>
    public StepRow? Step { get; }

    /// <summary>The last exception thrown in this flow since the scope began: the likely reason why it is disposed without an end.</summary>
    public Exception? LastException { get; private set; }

    public bool Ended { get; set; }

    private FlowScope? Outer { get; set; }

    /// <summary>The innermost open scope of a run that is recorded anywhere.</summary>
    public static FlowScope? Current => Find(static (job, _) => job.Runtime.Log is not null, 0);

    /// <summary>The innermost open scope of a run of one client.</summary>
    public static FlowScope? CurrentOf(JobmonRuntime runtime) => Find(static (job, wanted) => job.Runtime == wanted, runtime);

    /// <summary>The run that a new one belongs to: the one that is named, else the open one of the same client in this flow; null for none.</summary>
    /// <exception cref="ArgumentException">The named one is recorded elsewhere: its id would mean another run here.</exception>
    public static JobRow? ParentOf(IJob? parent, JobmonRuntime runtime)
    {
        if (parent is null)
            return CurrentOf(runtime)?.Job.Row;
        // What is recorded nowhere has no id that could be wrong.
        if (runtime.Log is null || parent is JobRun { Runtime.Log: null })
            return null;
        return parent is JobRun run && run.Runtime.Log!.Equals(runtime.Log)
            ? run.Row
            : throw new ArgumentException($"Job '{parent.Name}' cannot be the parent: it is recorded in another log.", nameof(parent));
    }

    /// <summary>Makes a new scope the innermost one; to be called in the caller's own frame, not behind an await.</summary>
    public static FlowScope Enter(JobRun job, StepRow? step = null) => new(job, step);

    /// <summary>Leaves all scopes until the calling asynchronous method returns: what the log itself throws is not the reason of any run.</summary>
    public static void StepAside() => Innermost.Value = null;

    /// <summary>Keeps a line of log with the run that the scope belongs to, below the step where it is one.</summary>
    public void Capture(LogLevel level, string? category, string message) => Job.Capture(Step, level, category, message);

    private static FlowScope? Find<T>(Func<JobRun, T, bool> isWanted, T argument)
    {
        var scope = Open(Innermost.Value);
        while (scope is not null && !isWanted(scope.Job, argument))
            scope = Open(scope.Outer);
        return scope;
    }

    private static FlowScope? Open(FlowScope? scope)
    {
        while (scope is { Ended: true })
            scope = scope.Outer;
        return scope;
    }

    private static void Note(Exception error)
    {
        // An aborted COPY or command answers with "query canceled" while another exception, the reason, is on its way already.
        var echo = error is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled };
        for (var scope = Innermost.Value; scope is not null; scope = scope.Outer)
            scope.LastException = echo ? scope.LastException ?? error : error;
    }
}
