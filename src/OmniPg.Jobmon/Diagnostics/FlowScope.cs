using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>What is open in an asynchronous flow, and what was thrown there since. The scopes of one flow form a chain, innermost first.</summary>
internal abstract class FlowScope
{
    private static readonly AsyncLocal<FlowScope?> Innermost = new();

    static FlowScope() => AppDomain.CurrentDomain.FirstChanceException += static (_, thrown) => Note(thrown.Exception);

    /// <summary>Makes the new scope the innermost one; to be called in the caller's own frame, not behind an await.</summary>
    protected FlowScope()
    {
        Outer = Open(Innermost.Value);
        // Scopes that begin before the one ahead of them ends would else form a chain that grows as long as the flow lives.
        for (var scope = Outer; scope is not null; scope = scope.Outer)
            scope.Outer = Open(scope.Outer);
        Innermost.Value = this;
    }

    /// <summary>The last exception thrown in this flow since the scope began: the likely reason why it is disposed without an end.</summary>
    public Exception? LastException { get; private set; }

    public bool Ended { get; set; }

    private FlowScope? Outer { get; set; }

    /// <summary>Leaves all scopes until the calling asynchronous method returns: what the log itself throws is not the reason of any run.</summary>
    public static void StepAside() => Innermost.Value = null;

    /// <summary>The innermost open scope of a kind; null for none.</summary>
    protected static T? Find<T, TArgument>(Func<T, TArgument, bool> isWanted, TArgument argument)
        where T : FlowScope
    {
        var scope = Open(Innermost.Value);
        while (scope is not null && !(scope is T found && isWanted(found, argument)))
            scope = Open(scope.Outer);
        return (T?)scope;
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
