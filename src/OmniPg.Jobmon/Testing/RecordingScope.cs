using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Testing;

/// <summary>An open run or step of a <see cref="RecordingJobmon"/> in this asynchronous flow.</summary>
internal sealed class RecordingScope : FlowScope
{
    private RecordingScope(RecordingRun run, StepEntry? step) => (Run, Step) = (run, step);

    public RecordingRun Run { get; }

    public StepEntry? Step { get; }

    /// <summary>The innermost open scope that belongs to <paramref name="log"/>.</summary>
    public static RecordingScope? Current(RecordingLog log)
    {
        var scope = Find<RecordingScope>();
        while (scope is not null && scope.Run.Record != log)
            scope = Open<RecordingScope>(scope.Outer);
        return scope;
    }

    public override void Capture(LogLevel level, string? category, string message) => Run.Capture(Step, level, category, message);

    /// <summary>Makes a new scope the innermost one; to be called in the caller's own frame, not behind an await.</summary>
    public static RecordingScope Enter(RecordingRun run, StepEntry? step = null) => new(run, step);
}
