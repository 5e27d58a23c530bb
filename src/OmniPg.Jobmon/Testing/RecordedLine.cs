using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon.Testing;

/// <summary>A line that a run logged by <see cref="IJob.Log"/>.</summary>
public sealed record RecordedLine
{
    /// <summary>Level of the line.</summary>
    public required LogLevel Level { get; init; }

    /// <summary>Text of the line.</summary>
    public required string Message { get; init; }

    /// <summary>When it was logged, by the clock of the <see cref="RecordingJobmon"/>.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Step that was the current one of its run; null outside a step.</summary>
    public long? StepId { get; init; }
}
