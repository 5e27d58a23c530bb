using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A job or step that is open in an asynchronous flow. The scopes of one flow form a chain, innermost first.</summary>
internal abstract class FlowScope
{
    private static readonly AsyncLocal<FlowScope?> Innermost = new();

    static FlowScope() => AppDomain.CurrentDomain.FirstChanceException += static (_, thrown) => Note(thrown.Exception);

    /// <summary>Makes the new scope the innermost one; to be called in the caller's own frame, not behind an await.</summary>
    protected FlowScope()
    {
        Outer = Open<FlowScope>(Innermost.Value);
        // Scopes that begin before the one ahead of them ends would else form a chain that grows as long as the flow lives.
        for (var scope = Outer; scope is not null; scope = scope.Outer)
            scope.Outer = Open<FlowScope>(scope.Outer);
        Innermost.Value = this;
    }

    /// <summary>The last exception thrown in this flow since the scope began: the likely reason why it is disposed without an end.</summary>
    public Exception? LastException { get; set; }

    public bool Ended { get; set; }

    protected FlowScope? Outer { get; private set; }

    /// <summary>The innermost open scope of any kind.</summary>
    public static FlowScope? InnermostOpen => Open<FlowScope>(Innermost.Value);

    /// <summary>Keeps a line of log with the run that the scope belongs to, below the step where it is one.</summary>
    public abstract void Capture(LogLevel level, string? category, string message);

    /// <summary>Leaves all scopes until the calling asynchronous method returns: what the log itself throws is not the reason of any run.</summary>
    public static void StepAside() => Innermost.Value = null;

    /// <summary>The innermost open scope of one kind.</summary>
    protected static T? Find<T>()
        where T : FlowScope => Open<T>(Innermost.Value);

    /// <summary>The first open scope of one kind, from <paramref name="scope"/> outwards.</summary>
    protected static T? Open<T>(FlowScope? scope)
        where T : FlowScope
    {
        while (scope is { Ended: true } or not (null or T))
            scope = scope.Outer;
        return (T?)scope;
    }

    private static void Note(Exception error)
    {
        // An aborted COPY or command answers with "query canceled" while another exception, the reason, is on its way already.
        var echo = error is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled };
        for (var scope = Innermost.Value; scope is not null; scope = scope.Outer)
            scope.LastException = echo ? scope.LastException ?? error : error;
    }
}
