using Microsoft.Extensions.Logging;

namespace OmniPg.Jobmon;

/// <summary>A line that a run logged by <see cref="IJob.Log"/>, or that was captured from a logger.</summary>
public sealed record RecordedLine
{
    /// <summary>Level of the line.</summary>
    public required LogLevel Level { get; init; }

    /// <summary>Category of the logger; null for a line of <see cref="IJob.Log"/>.</summary>
    public string? Category { get; init; }

    /// <summary>Text of the line, for a captured one with its exception.</summary>
    public required string Message { get; init; }

    /// <summary>When it was logged, by the clock of the <see cref="RecordingJobmon"/>.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Step that was the current one of its run; null outside a step.</summary>
    public long? StepId { get; init; }
}
