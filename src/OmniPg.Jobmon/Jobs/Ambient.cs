using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>What runs in this asynchronous flow: a chain of open jobs and steps, innermost first.</summary>
internal sealed class Ambient : FlowScope
{
    private Ambient(ILoggedRun job, StepRow? step) => (Job, Step) = (job, step);

    public ILoggedRun Job { get; }

    public StepRow? Step { get; }

    public Ambient? Parent => Open<Ambient>(Outer);

    /// <summary>The innermost open scope.</summary>
    public static Ambient? Current => Find<Ambient>();

    /// <summary>The innermost open scope of a run of one client.</summary>
    public static Ambient? CurrentOf(JobmonRuntime runtime)
    {
        var scope = Current;
        while (scope is not null && scope.Job.Runtime != runtime)
            scope = scope.Parent;
        return scope;
    }

    public override void Capture(LogLevel level, string? category, string message) => Job.Capture(Step, level, category, message);

    /// <summary>Makes a new scope the innermost one; to be called in the caller's own frame, not behind an await.</summary>
    public static Ambient Enter(ILoggedRun job, StepRow? step = null) => new(job, step);
}
