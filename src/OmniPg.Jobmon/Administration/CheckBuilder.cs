namespace OmniPg.Jobmon;

/// <summary>Monitoring rule for one job, built step by step and saved by <see cref="ActivateAsync"/> or <see cref="DeactivateAsync"/>.</summary>
/// <remarks>Immutable: every call returns a new value. What is not set keeps its stored value, or the default on first saving.</remarks>
public sealed record CheckBuilder
{
    private readonly Func<CheckBuilder, bool, CancellationToken, Task> _save;

    internal CheckBuilder(string jobName, Func<CheckBuilder, bool, CancellationToken, Task> save) => (JobName, _save) = (jobName, save);

    internal string JobName { get; }

    internal string? WarnThreshold { get; private init; }

    internal string? ErrorThreshold { get; private init; }

    internal short? SensitivityCount { get; private init; }

    internal int? EscalateCount { get; private init; }

    internal bool EscalateSet { get; private init; }

    internal string? CronText { get; private init; }

    internal string? TimeZoneName { get; private init; }

    internal string? Grace { get; private init; }

    internal string? Longest { get; private init; }

    internal string? Shortest { get; private init; }

    internal double? Anomaly { get; private init; }

    internal string? Stall { get; private init; }

    internal bool NeedsSideSchema => CronText is not null || Longest is not null || Shortest is not null || Anomaly is not null || Stall is not null;

    /// <summary>Warns when the job has not started for this long (MISSING, level 2). Column <c>warn_threshold</c>.</summary>
    /// <param name="interval">PostgreSQL interval text, for example <c>26 hours</c> or <c>1 month</c>; positive.</param>
    public CheckBuilder Warn(string interval) => this with { WarnThreshold = NotEmpty(interval) };

    /// <inheritdoc cref="Warn(string)"/>
    /// <param name="interval">The time; positive.</param>
    public CheckBuilder Warn(TimeSpan interval) => this with { WarnThreshold = Text(interval) };

    /// <summary>Makes it critical when the job has not started for this long (MISSING, level 3). Column <c>error_threshold</c>.</summary>
    /// <param name="interval">PostgreSQL interval text; positive and not shorter than the warning.</param>
    public CheckBuilder Error(string interval) => this with { ErrorThreshold = NotEmpty(interval) };

    /// <inheritdoc cref="Error(string)"/>
    /// <param name="interval">The time; positive and not shorter than the warning.</param>
    public CheckBuilder Error(TimeSpan interval) => this with { ErrorThreshold = Text(interval) };

    /// <summary>Failed runs since the last success that are tolerated (FAILED_RUN), counted for each level. Column <c>sensitivity</c>.</summary>
    /// <param name="failures">From 0. Default 0: the first failure is an alert.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public CheckBuilder Sensitivity(short failures) =>
        failures < 0 ? throw new ArgumentOutOfRangeException(nameof(failures), failures, "Zero or more.") : this with { SensitivityCount = failures };

    /// <summary>Raises the level of a failure by one from this many failures at the highest level so far on. Column <c>escalate</c>.</summary>
    /// <param name="failures">From 0: how many, the new one included, but never the first; <see langword="null"/> turns it off. Default off.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public CheckBuilder Escalate(int? failures) => failures < 0
        ? throw new ArgumentOutOfRangeException(nameof(failures), failures, "Zero or more, or null for never.")
        : this with { EscalateCount = failures, EscalateSet = true };

    /// <summary>
    /// Expects starts by a cron schedule (MISSING, level 3); needs the side schema. A local time that a change of clocks leaves out counts
    /// at the first instant after the gap, one that comes twice counts once.
    /// </summary>
    /// <param name="cron">Five fields: minute, hour, day of month, month, day of week.</param>
    /// <param name="timeZone">IANA name. Default UTC.</param>
    /// <param name="startGrace">How late a start may be. Default null: not at all.</param>
    /// <exception cref="ArgumentException">The schedule is not of five fields, the time zone is unknown, or the grace is negative.</exception>
    public CheckBuilder Schedule(string cron, string timeZone = "UTC", TimeSpan? startGrace = null)
    {
        if (startGrace < TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(startGrace), startGrace, "Zero or more.");
        return WithSchedule(cron, timeZone, startGrace is { } grace ? Seconds(grace) : null);
    }

    /// <inheritdoc cref="Schedule(string, string, TimeSpan?)"/>
    /// <param name="cron">Five fields: minute, hour, day of month, month, day of week.</param>
    /// <param name="timeZone">IANA name.</param>
    /// <param name="startGrace">How late a start may be, as PostgreSQL interval text, for example <c>20 minutes</c>; not negative.</param>
    public CheckBuilder Schedule(string cron, string timeZone, string startGrace) => WithSchedule(cron, timeZone, NotEmpty(startGrace));

    private CheckBuilder WithSchedule(string cron, string timeZone, string? grace)
    {
        ArgumentNullException.ThrowIfNull(timeZone);
        try
        {
            CronSchedule.Parse(cron);
        }
        catch (FormatException error)
        {
            throw new ArgumentException(error.Message, nameof(cron), error);
        }
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(timeZone, out _))
            throw new ArgumentException($"Time zone '{timeZone}' is unknown on this machine.", nameof(timeZone));
        return this with { CronText = cron, TimeZoneName = timeZone, Grace = grace };
    }

    /// <summary>Reports runs that take longer (OVERDUE, level 2); needs the side schema. <see cref="JobOptions.MaxRuntime"/> of a run goes first.</summary>
    /// <param name="runtime">Longest run time; positive.</param>
    public CheckBuilder MaxRuntime(TimeSpan runtime) => this with { Longest = Text(runtime) };

    /// <inheritdoc cref="MaxRuntime(TimeSpan)"/>
    /// <param name="runtime">Longest run time as PostgreSQL interval text, for example <c>2 hours</c>; positive.</param>
    /// <exception cref="ArgumentException">The text is empty. One that is no interval is refused when the rule is saved.</exception>
    public CheckBuilder MaxRuntime(string runtime) => this with { Longest = NotEmpty(runtime) };

    /// <summary>Reports when the last run succeeded in less time (TOO_FAST, level 2); needs the side schema.</summary>
    /// <param name="runtime">Shortest run time; positive.</param>
    public CheckBuilder MinRuntime(TimeSpan runtime) => this with { Shortest = Text(runtime) };

    /// <inheritdoc cref="MinRuntime(TimeSpan)"/>
    /// <param name="runtime">Shortest run time as PostgreSQL interval text, for example <c>2 hours</c>; positive.</param>
    /// <exception cref="ArgumentException">The text is empty. One that is no interval is refused when the rule is saved.</exception>
    public CheckBuilder MinRuntime(string runtime) => this with { Shortest = NotEmpty(runtime) };

    /// <summary>
    /// Reports runs longer than this multiple of the 95th percentile of the last 20 successful runs (OVERDUE), from three such runs on; needs
    /// the side schema.
    /// </summary>
    /// <param name="factor">Greater than 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not greater than 1.</exception>
    public CheckBuilder LongerThanUsual(double factor) =>
        factor > 1 ? this with { Anomaly = factor } : throw new ArgumentOutOfRangeException(nameof(factor), factor, "Greater than 1.");

    /// <summary>Reports running jobs whose progress is not written for this long (STALLED, level 2); needs the side schema.</summary>
    /// <param name="time">Longest stand; positive.</param>
    public CheckBuilder StallAfter(TimeSpan time) => this with { Stall = Text(time) };

    /// <inheritdoc cref="StallAfter(TimeSpan)"/>
    /// <param name="time">Longest stand as PostgreSQL interval text, for example <c>2 hours</c>; positive.</param>
    /// <exception cref="ArgumentException">The text is empty. One that is no interval is refused when the rule is saved.</exception>
    public CheckBuilder StallAfter(string time) => this with { Stall = NotEmpty(time) };

    /// <summary>Saves the rule and turns it on. The name is upper-cased by the server.</summary>
    /// <param name="cancellationToken">Cancels the saving; nothing is changed then.</param>
    /// <exception cref="ArgumentException">A threshold or limit is missing, not an interval, not positive, or the warning is longer than the error.</exception>
    /// <exception cref="JobmonNotInstalledException">There is no log, or a schedule or limit needs a side schema that is not there.</exception>
    /// <exception cref="JobmonPermissionException">The role may not change rules.</exception>
    public Task ActivateAsync(CancellationToken cancellationToken = default) => _save(this, true, cancellationToken);

    /// <summary>Saves the rule and turns it off: the job is not watched at all.</summary>
    /// <param name="cancellationToken">Cancels the saving; nothing is changed then.</param>
    /// <exception cref="ArgumentException">As for <see cref="ActivateAsync"/>, or there is no rule to turn off.</exception>
    public Task DeactivateAsync(CancellationToken cancellationToken = default) => _save(this, false, cancellationToken);

    private static string NotEmpty(string interval)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(interval);
        return interval;
    }

    private static TimeSpan Positive(TimeSpan value) =>
        value > TimeSpan.Zero ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "Longer than zero.");

    private static string Text(TimeSpan interval) => Seconds(Positive(interval));

    private static string Seconds(TimeSpan interval) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{interval.TotalSeconds:0.######} seconds");
}
