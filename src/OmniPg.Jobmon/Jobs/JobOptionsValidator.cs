namespace OmniPg.Jobmon;

/// <summary>Checks the settings of one run and reports all that is wrong at once.</summary>
internal static class JobOptionsValidator
{
    /// <exception cref="ArgumentException">A setting is out of range; the message lists all of them.</exception>
    public static void Check(JobOptions options)
    {
        var failures = new List<string>();
        NotNegative(failures, nameof(options.WaitTimeout), options.WaitTimeout);
        NotNegative(failures, nameof(options.RecordWhenLongerThan), options.RecordWhenLongerThan ?? TimeSpan.Zero);
        if (options.MaxRuntime <= TimeSpan.Zero)
            failures.Add($"{nameof(options.MaxRuntime)} '{options.MaxRuntime}' must be positive.");
        if (options.CancelledLevel.Code < AlertLevel.Ok.Code)
            failures.Add($"{nameof(options.CancelledLevel)} '{options.CancelledLevel.Code}' must be a code from 1.");
        JobmonOptionsValidator.Defined(failures, nameof(options.OnConflict), options.OnConflict);
        JobmonOptionsValidator.Defined(failures, nameof(options.Record), options.Record);
        JobmonOptionsValidator.Defined(failures, nameof(options.DisposeBehavior), options.DisposeBehavior ?? default);
        if (failures.Count > 0)
            throw new ArgumentException(string.Join(' ', failures), nameof(options));
    }

    /// <exception cref="ArgumentException">A setting is out of range; the message lists all of them.</exception>
    public static void Check(SqlJobOptions options)
    {
        ArgumentNullException.ThrowIfNull(options.Job);
        var failures = new List<string>();
        NotNegative(failures, nameof(options.CommandTimeout), options.CommandTimeout);
        if (failures.Count > 0)
            throw new ArgumentException(string.Join(' ', failures), nameof(options));
    }

    private static void NotNegative(List<string> failures, string name, TimeSpan value)
    {
        if (value < TimeSpan.Zero)
            failures.Add($"{name} '{value}' must not be negative.");
    }
}
