using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What runs in this asynchronous flow: a chain of open jobs and steps, innermost first.</summary>
internal sealed class Ambient
{
    private static readonly AsyncLocal<Ambient?> Innermost = new();

    static Ambient() => AppDomain.CurrentDomain.FirstChanceException += static (_, thrown) => Note(thrown.Exception);

    private Ambient(JobRun job, StepRow? step, Ambient? parent) => (Job, Step, Parent) = (job, step, parent);

    public JobRun Job { get; }

    public StepRow? Step { get; }

    public Ambient? Parent { get; }

    /// <summary>The last exception thrown in this flow since the scope began: the likely reason why it is disposed without an end.</summary>
    public Exception? LastException { get; set; }

    public bool Ended { get; set; }

    /// <summary>The innermost open scope.</summary>
    public static Ambient? Current
    {
        get
        {
            var scope = Innermost.Value;
            while (scope is { Ended: true })
                scope = scope.Parent;
            return scope;
        }
    }

    /// <summary>Makes a new scope the innermost one; to be called in the caller's own frame, not behind an await.</summary>
    public static Ambient Enter(JobRun job, StepRow? step = null) => Innermost.Value = new Ambient(job, step, Current);

    /// <summary>Leaves all scopes until the calling asynchronous method returns: what the log itself throws is not the reason of any run.</summary>
    public static void StepAside() => Innermost.Value = null;

    private static void Note(Exception error)
    {
        // An aborted COPY or command answers with "query canceled" while another exception, the reason, is on its way already.
        var echo = error is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled };
        for (var scope = Innermost.Value; scope is not null; scope = scope.Parent)
            scope.LastException = echo ? scope.LastException ?? error : error;
    }
}
