namespace OmniPg.Jobmon;

/// <summary>Progress of a step.</summary>
/// <param name="Current">Units done so far.</param>
/// <param name="Total">Units to do; null when not known.</param>
/// <param name="Unit">Name of the unit, for example <c>rows</c>; null for none.</param>
/// <param name="Message">Text to show; null lets the package write one from the numbers.</param>
public readonly record struct StepProgress(long Current, long? Total = null, string? Unit = null, string? Message = null)
{
    /// <summary>Units per second, on average since the step began; 0 before the first report. Only set when read from a step.</summary>
    public double Rate { get; init; }

    /// <summary>Estimated time to the end at this rate; null without a total or a rate.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>Done part between 0 and 1; null without a total.</summary>
    public double? Fraction => Total is > 0 and { } total ? Math.Clamp((double)Current / total, 0, 1) : null;
}
