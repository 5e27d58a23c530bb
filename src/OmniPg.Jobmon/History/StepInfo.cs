namespace OmniPg.Jobmon;

/// <summary>What the SDK records about a step beside the log: a row of the side schema's <c>step</c>.</summary>
public sealed record StepInfo
{
    /// <summary>Step that this one is nested in; <see langword="null"/> at the top.</summary>
    public long? ParentStepId { get; init; }

    /// <summary>Position among the steps of the run, from 1.</summary>
    public int? Ordinal { get; init; }

    /// <summary>Progress so far, in <see cref="Unit"/>; <see langword="null"/> when the step reports none.</summary>
    public long? Current { get; init; }

    /// <summary>Value of <see cref="Current"/> at which the step is complete; <see langword="null"/> when unknown.</summary>
    public long? Total { get; init; }

    /// <summary>Unit of the progress values, for example <c>rows</c>; <see langword="null"/> for none.</summary>
    public string? Unit { get; init; }

    /// <summary>When the progress was last written, by the server's clock, in UTC; <see langword="null"/> when none was.</summary>
    public DateTimeOffset? ProgressAt { get; init; }

    /// <summary>Rows that the SQL of the step affected; <see langword="null"/> for a step that is no SQL.</summary>
    public long? RowsAffected { get; init; }

    /// <summary>The failure as JSON text, in the shape of <see cref="JobRunInfo.Error"/>; <see langword="null"/> for none.</summary>
    public string? Error { get; init; }
}
