namespace OmniPg.Jobmon;

/// <summary>How one job did inside a window of time.</summary>
public sealed record JobStatistics
{
    /// <summary>Name of the job, upper-cased by the server.</summary>
    public required string JobName { get; init; }

    /// <summary>Runs that started inside the window.</summary>
    public required long Runs { get; init; }

    /// <summary>Runs whose outcome is the text of code 1.</summary>
    public required long Succeeded { get; init; }

    /// <summary>Ended runs with another outcome.</summary>
    public required long Failed { get; init; }

    /// <summary>Runs without an end: at work, or dead and not yet closed.</summary>
    public required long Unfinished { get; init; }

    /// <summary>Mean duration of the successful runs; <see langword="null"/> without one.</summary>
    public TimeSpan? Mean { get; init; }

    /// <summary>Median duration of the successful runs; <see langword="null"/> without one.</summary>
    public TimeSpan? Median { get; init; }

    /// <summary>95th percentile of the durations of the successful runs, interpolated; <see langword="null"/> without one.</summary>
    public TimeSpan? Percentile95 { get; init; }

    /// <summary>Longest duration of the successful runs; <see langword="null"/> without one.</summary>
    public TimeSpan? Longest { get; init; }

    /// <summary>Latest start of a run in the window, in UTC; <see langword="null"/> without one.</summary>
    public DateTimeOffset? LastStart { get; init; }

    /// <summary>Latest end of a successful run of the window, in UTC; <see langword="null"/> without one.</summary>
    public DateTimeOffset? LastSuccess { get; init; }
}
