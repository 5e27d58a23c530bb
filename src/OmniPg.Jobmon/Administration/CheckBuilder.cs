namespace OmniPg.Jobmon;

/// <summary>Monitoring rule for one job, built step by step and saved by <see cref="ActivateAsync"/> or <see cref="DeactivateAsync"/>.</summary>
/// <remarks>
/// Immutable: every call returns a new value. What is not set keeps its stored value, or the default on first saving. An interval is a <see cref="TimeSpan"/>
/// or PostgreSQL's text, for example <c>26 hours</c> or <c>1 month</c>; a text that is none is a <see cref="FormatException"/>.
/// </remarks>
public sealed class CheckBuilder
{
    private readonly Func<CheckBuilder, bool, CancellationToken, Task> _save;

    internal CheckBuilder(JobRule rule, bool setsEscalate, Func<CheckBuilder, bool, CancellationToken, Task> save) =>
        (Rule, SetsEscalate, _save) = (rule, setsEscalate, save);

    /// <summary>What has been set so far.</summary>
    internal JobRule Rule { get; }

    /// <summary>Whether a null in <see cref="JobRule.Escalate"/> was said and is not only left out.</summary>
    internal bool SetsEscalate { get; }

    internal bool NeedsSideSchema => Rule.Cron is not null || Rule.MaxRuntime is not null || Rule.MinRuntime is not null || Rule.LongerThanUsual is not null
        || Rule.StallAfter is not null;

    /// <summary>Warns when the job has not started for this long (MISSING, level 2). Column <c>warn_threshold</c>.</summary>
    /// <param name="interval">The time; positive.</param>
    public CheckBuilder Warn(PgInterval interval) => With(Rule with { WarnThreshold = Positive(interval, "warning threshold") });

    /// <summary>Makes it critical when the job has not started for this long (MISSING, level 3). Column <c>error_threshold</c>.</summary>
    /// <param name="interval">The time; positive and not shorter than the warning.</param>
    public CheckBuilder Error(PgInterval interval) => With(Rule with { ErrorThreshold = Positive(interval, "error threshold") });

    /// <summary>Failed runs since the last success that are tolerated (FAILED_RUN), counted for each level. Column <c>sensitivity</c>.</summary>
    /// <param name="failures">From 0. Default 0: the first failure is an alert.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public CheckBuilder Sensitivity(short failures) =>
        failures < 0 ? throw new ArgumentOutOfRangeException(nameof(failures), failures, "Zero or more.") : With(Rule with { Sensitivity = failures });

    /// <summary>Raises the level of a failure by one from this many failures at the highest level so far on. Column <c>escalate</c>.</summary>
    /// <param name="failures">From 0: how many, the new one included, but never the first; <see langword="null"/> turns it off. Default off.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public CheckBuilder Escalate(int? failures) => failures < 0
        ? throw new ArgumentOutOfRangeException(nameof(failures), failures, "Zero or more, or null for never.")
        : new CheckBuilder(Rule with { Escalate = failures }, setsEscalate: true, _save);

    /// <summary>
    /// Expects starts by a cron schedule (MISSING, level 3); needs the side schema. A local time that a change of clocks leaves out counts
    /// at the first instant after the gap, one that comes twice counts once.
    /// </summary>
    /// <param name="cron">Five fields: minute, hour, day of month, month, day of week.</param>
    /// <param name="timeZone">IANA name. Default UTC.</param>
    /// <param name="startGrace">How late a start may be; not negative. Default null: not at all.</param>
    /// <exception cref="ArgumentException">The schedule is not of five fields, the time zone is unknown, or the grace is negative.</exception>
    public CheckBuilder Schedule(string cron, string timeZone = "UTC", PgInterval? startGrace = null)
    {
        ArgumentNullException.ThrowIfNull(timeZone);
        if (startGrace is { } grace && grace.Estimate < TimeSpan.Zero)
            throw new ArgumentOutOfRangeException(nameof(startGrace), startGrace, "Zero or more.");
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
        return With(Rule with { Cron = cron, TimeZone = timeZone, StartGrace = startGrace });
    }

    /// <summary>Reports runs that take longer (OVERDUE, level 2); needs the side schema. <see cref="JobOptions.MaxRuntime"/> of a run goes first.</summary>
    /// <param name="runtime">Longest run time; positive.</param>
    public CheckBuilder MaxRuntime(PgInterval runtime) => With(Rule with { MaxRuntime = Positive(runtime, "longest run time") });

    /// <summary>Reports when the last run succeeded in less time (TOO_FAST, level 2); needs the side schema.</summary>
    /// <param name="runtime">Shortest run time; positive.</param>
    public CheckBuilder MinRuntime(PgInterval runtime) => With(Rule with { MinRuntime = Positive(runtime, "shortest run time") });

    /// <summary>
    /// Reports runs longer than this multiple of the 95th percentile of the last 20 successful runs (OVERDUE), from three such runs on; needs
    /// the side schema.
    /// </summary>
    /// <param name="factor">Greater than 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not greater than 1.</exception>
    public CheckBuilder LongerThanUsual(double factor) =>
        factor > 1 ? With(Rule with { LongerThanUsual = factor }) : throw new ArgumentOutOfRangeException(nameof(factor), factor, "Greater than 1.");

    /// <summary>Reports running jobs whose progress is not written for this long (STALLED, level 2); needs the side schema.</summary>
    /// <param name="time">Longest stand; positive.</param>
    public CheckBuilder StallAfter(PgInterval time) => With(Rule with { StallAfter = Positive(time, "time without progress") });

    /// <summary>Saves the rule and turns it on. The name is upper-cased by the server.</summary>
    /// <param name="cancellationToken">Cancels the saving; nothing is changed then.</param>
    /// <exception cref="ArgumentException">A threshold is missing, or the warning is longer than the error.</exception>
    /// <exception cref="JobmonNotInstalledException">There is no log, or a schedule or limit needs a side schema that is not there.</exception>
    /// <exception cref="JobmonPermissionException">The role may not change rules.</exception>
    public Task ActivateAsync(CancellationToken cancellationToken = default) => _save(this, true, cancellationToken);

    /// <summary>Saves the rule and turns it off: the job is not watched at all.</summary>
    /// <param name="cancellationToken">Cancels the saving; nothing is changed then.</param>
    /// <exception cref="ArgumentException">As for <see cref="ActivateAsync"/>, or there is no rule to turn off.</exception>
    public Task DeactivateAsync(CancellationToken cancellationToken = default) => _save(this, false, cancellationToken);

    private CheckBuilder With(JobRule rule) => new(rule, SetsEscalate, _save);

    private PgInterval Positive(PgInterval interval, string what) => interval.Estimate > TimeSpan.Zero
        ? interval
        : throw new ArgumentOutOfRangeException(nameof(interval), $"The {what} of job '{Rule.JobName}' cannot be '{interval}': it must be longer than zero.");
}
