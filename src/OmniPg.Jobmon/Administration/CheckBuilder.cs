namespace OmniPg.Jobmon;

/// <summary>Monitoring rule for one job, built step by step and saved by <see cref="ActivateAsync"/> or <see cref="DeactivateAsync"/>.</summary>
/// <remarks>
/// Immutable: every call returns a new value. What is not set keeps its stored value, or the default on first saving. An interval is a <see cref="TimeSpan"/>
/// or PostgreSQL's text, for example <c>26 hours</c> or <c>1 month</c>; a text that is none is a <see cref="FormatException"/>.
/// </remarks>
public sealed class CheckBuilder
{
    // $1 name, $2 warning, $3 error: what would be stored, and whether it makes sense.
    private const string JudgeThresholds =
        """
        SELECT w.warn > w.error, least(w.warn, w.error) <= '0', w.warn, w.error
        FROM (SELECT coalesce($2, c.warn_threshold) AS warn, coalesce($3, c.error_threshold) AS error
              FROM (SELECT upper($1) AS name) n LEFT JOIN jobmon.job_check_config c ON c.job_name = n.name) w
        """;

    // $1 name, $2 warning, $3 error, $4 active, $5 sensitivity, $6 escalate, $7 whether escalate is set.
    private const string SaveThresholds =
        """
        INSERT INTO jobmon.job_check_config AS c (job_name, warn_threshold, error_threshold, active, sensitivity, escalate)
        VALUES (upper($1), $2, $3, $4, coalesce($5::smallint, 0::smallint), $6)
        ON CONFLICT (job_name) DO UPDATE SET warn_threshold = excluded.warn_threshold, error_threshold = excluded.error_threshold,
            active = excluded.active, sensitivity = coalesce($5::smallint, c.sensitivity), escalate = CASE WHEN $7 THEN excluded.escalate ELSE c.escalate END
        """;

    // $1 name, $2 active.
    private const string SwitchSchedule = "UPDATE omnipg_jobmon.check_rule SET active = $2 WHERE job_name = upper($1) AND active <> $2";

    // $1 name, $2 active, $3 cron, $4 zone, $5 grace, $6 longest, $7 shortest, $8 anomaly, $9 stall.
    private const string SaveSchedule =
        """
        INSERT INTO omnipg_jobmon.check_rule AS r (job_name, active, cron, time_zone, start_grace, max_runtime, min_runtime, anomaly_factor, stall_after)
        VALUES (upper($1), $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (job_name) DO UPDATE SET active = excluded.active, cron = coalesce(excluded.cron, r.cron),
            time_zone = coalesce(excluded.time_zone, r.time_zone), start_grace = coalesce(excluded.start_grace, r.start_grace),
            max_runtime = coalesce(excluded.max_runtime, r.max_runtime), min_runtime = coalesce(excluded.min_runtime, r.min_runtime),
            anomaly_factor = coalesce(excluded.anomaly_factor, r.anomaly_factor), stall_after = coalesce(excluded.stall_after, r.stall_after),
            created_at = CASE WHEN excluded.cron IS NULL THEN r.created_at ELSE now() END
        """;

    private readonly JobmonDatabase _database;
    private readonly JobRule _rule;
    // Whether a null of Escalate was said and is not only left out.
    private readonly bool _setsEscalate;

    internal CheckBuilder(JobmonDatabase database, JobRule rule, bool setsEscalate = false) => (_database, _rule, _setsEscalate) = (database, rule, setsEscalate);

    private bool NeedsSideSchema => _rule.Cron is not null || _rule.MaxRuntime is not null || _rule.MinRuntime is not null || _rule.LongerThanUsual is not null
        || _rule.StallAfter is not null;

    /// <summary>Warns when the job has not started for this long (MISSING, level 2). Column <c>warn_threshold</c>.</summary>
    /// <param name="interval">The time; positive.</param>
    public CheckBuilder Warn(PgInterval interval) => With(_rule with { WarnThreshold = Positive(interval, "warning threshold") });

    /// <summary>Makes it critical when the job has not started for this long (MISSING, level 3). Column <c>error_threshold</c>.</summary>
    /// <param name="interval">The time; positive and not shorter than the warning.</param>
    public CheckBuilder Error(PgInterval interval) => With(_rule with { ErrorThreshold = Positive(interval, "error threshold") });

    /// <summary>Failed runs since the last success that are tolerated (FAILED_RUN), counted for each level. Column <c>sensitivity</c>.</summary>
    /// <param name="failures">From 0. Default 0: the first failure is an alert.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public CheckBuilder Sensitivity(short failures) =>
        failures < 0 ? throw new ArgumentOutOfRangeException(nameof(failures), failures, "Zero or more.") : With(_rule with { Sensitivity = failures });

    /// <summary>Raises the level of a failure by one from this many failures at the highest level so far on. Column <c>escalate</c>.</summary>
    /// <param name="failures">From 0: how many, the new one included, but never the first; <see langword="null"/> turns it off. Default off.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public CheckBuilder Escalate(int? failures) => failures < 0
        ? throw new ArgumentOutOfRangeException(nameof(failures), failures, "Zero or more, or null for never.")
        : new CheckBuilder(_database, _rule with { Escalate = failures }, setsEscalate: true);

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
        return With(_rule with { Cron = cron, TimeZone = timeZone, StartGrace = startGrace });
    }

    /// <summary>Reports runs that take longer (OVERDUE, level 2); needs the side schema. <see cref="JobOptions.MaxRuntime"/> of a run goes first.</summary>
    /// <param name="runtime">Longest run time; positive.</param>
    public CheckBuilder MaxRuntime(PgInterval runtime) => With(_rule with { MaxRuntime = Positive(runtime, "longest run time") });

    /// <summary>Reports when the last run succeeded in less time (TOO_FAST, level 2); needs the side schema.</summary>
    /// <param name="runtime">Shortest run time; positive.</param>
    public CheckBuilder MinRuntime(PgInterval runtime) => With(_rule with { MinRuntime = Positive(runtime, "shortest run time") });

    /// <summary>
    /// Reports runs longer than this multiple of the 95th percentile of the last 20 successful runs (OVERDUE), from three such runs on; needs
    /// the side schema.
    /// </summary>
    /// <param name="factor">Greater than 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not greater than 1.</exception>
    public CheckBuilder LongerThanUsual(double factor) =>
        factor > 1 ? With(_rule with { LongerThanUsual = factor }) : throw new ArgumentOutOfRangeException(nameof(factor), factor, "Greater than 1.");

    /// <summary>Reports running jobs whose progress is not written for this long (STALLED, level 2); needs the side schema.</summary>
    /// <param name="time">Longest stand; positive.</param>
    public CheckBuilder StallAfter(PgInterval time) => With(_rule with { StallAfter = Positive(time, "time without progress") });

    /// <summary>Saves the rule and turns it on. The name is upper-cased by the server.</summary>
    /// <param name="cancellationToken">Cancels the saving; nothing is changed then.</param>
    /// <exception cref="ArgumentException">A threshold is missing, or the warning is longer than the error.</exception>
    /// <exception cref="JobmonNotInstalledException">There is no log, or a schedule or limit needs a side schema that is not there.</exception>
    /// <exception cref="JobmonPermissionException">The role may not change rules.</exception>
    public Task ActivateAsync(CancellationToken cancellationToken = default) => SaveAsync(active: true, cancellationToken);

    /// <summary>Saves the rule and turns it off: the job is not watched at all.</summary>
    /// <param name="cancellationToken">Cancels the saving; nothing is changed then.</param>
    /// <exception cref="ArgumentException">As for <see cref="ActivateAsync"/>, or there is no rule to turn off.</exception>
    public Task DeactivateAsync(CancellationToken cancellationToken = default) => SaveAsync(active: false, cancellationToken);

    private CheckBuilder With(JobRule rule) => new(_database, rule, _setsEscalate);

    private PgInterval Positive(PgInterval interval, string what) => interval.Estimate > TimeSpan.Zero
        ? interval
        : throw new ArgumentOutOfRangeException(nameof(interval), $"The {what} of job '{_rule.JobName}' cannot be '{interval}': it must be longer than zero.");

    private Task<bool> SaveAsync(bool active, CancellationToken cancellationToken) =>
        _database.RunAsync("manage: rule", (session, server) => SaveAsync(session, server.RequireInstalled(), active), cancellationToken);

    private async Task<bool> SaveAsync(PgSession session, JobmonServer server, bool active)
    {
        if (NeedsSideSchema)
            await server.RequireSideAsync(session).ConfigureAwait(false);
        var (warn, error) = await JudgeAsync(session, server).ConfigureAwait(false);
        var hasThresholds = _rule.WarnThreshold is not null || _rule.ErrorThreshold is not null || _rule.Sensitivity is not null || _setsEscalate;
        if (warn is not null && error is not null)
        {
            await session.ExecuteAsync(
                server.Render(SaveThresholds), PgParameter.Text(_rule.JobName), PgParameter.Interval(warn), PgParameter.Interval(error),
                PgParameter.Flag(active), PgParameter.Integer(_rule.Sensitivity), PgParameter.Integer(_rule.Escalate), PgParameter.Flag(_setsEscalate)).ConfigureAwait(false);
        }
        else if (hasThresholds || !NeedsSideSchema)
        {
            throw new ArgumentException(active || hasThresholds
                ? $"The rule for job '{_rule.JobName}' needs both a warning and an error threshold."
                : $"Job '{_rule.JobName}' has no rule to turn off; a new one that is off needs both a warning and an error threshold, too.");
        }
        // A job without a schedule or limit has no row, so that turning a plain rule off leaves no trace in the side schema.
        if (NeedsSideSchema)
        {
            await session.ExecuteAsync(
                server.Render(SaveSchedule), PgParameter.Text(_rule.JobName), PgParameter.Flag(active), PgParameter.Text(_rule.Cron),
                PgParameter.Text(_rule.TimeZone), PgParameter.Interval(_rule.StartGrace), PgParameter.Interval(_rule.MaxRuntime), PgParameter.Interval(_rule.MinRuntime),
                PgParameter.Double(_rule.LongerThanUsual), PgParameter.Interval(_rule.StallAfter)).ConfigureAwait(false);
        }
        else if (server.HasSide)
        {
            await session.ExecuteAsync(server.Render(SwitchSchedule), PgParameter.Text(_rule.JobName), PgParameter.Flag(active)).ConfigureAwait(false);
        }
        return true;
    }

    // Together with what is stored, which may stand for one of the two.
    private async Task<(PgInterval? Warn, PgInterval? Error)> JudgeAsync(PgSession session, JobmonServer server)
    {
        var (tooLong, tooShort, warn, error) = await session.RowAsync(
            server.Render(JudgeThresholds), row => (row.IsTrue(0), row.IsTrue(1), row.Interval(2), row.Interval(3)),
            PgParameter.Text(_rule.JobName), PgParameter.Interval(_rule.WarnThreshold), PgParameter.Interval(_rule.ErrorThreshold)).ConfigureAwait(false);
        if (tooLong)
            throw new ArgumentException($"The warning threshold '{warn}' of job '{_rule.JobName}' is longer than the error threshold '{error}'.");
        if (tooShort)
            throw new ArgumentException($"The thresholds '{warn}' and '{error}' of job '{_rule.JobName}' must be longer than zero.");
        return (warn, error);
    }
}

/// <summary>What is stored about the watching of one job: a row of <c>job_check_config</c>, of the side schema's <c>check_rule</c>, or of both.</summary>
public sealed record JobRule
{
    /// <summary>Name of the job, upper case where the rule can match.</summary>
    public required string JobName { get; init; }

    /// <summary>Whether the rule is on. One that is off also silences the default of three failed runs.</summary>
    public required bool Active { get; init; }

    /// <summary>Time without a start that is a warning; <see langword="null"/> without thresholds.</summary>
    public PgInterval? WarnThreshold { get; init; }

    /// <summary>Time without a start that is critical; <see langword="null"/> without thresholds.</summary>
    public PgInterval? ErrorThreshold { get; init; }

    /// <summary>Failed runs that are tolerated; <see langword="null"/> without thresholds.</summary>
    public int? Sensitivity { get; init; }

    /// <summary>Failures from which on the level rises; <see langword="null"/>: never.</summary>
    public int? Escalate { get; init; }

    /// <summary>Cron schedule of the expected starts; <see langword="null"/>: none.</summary>
    public string? Cron { get; init; }

    /// <summary>Time zone of <see cref="Cron"/>; <see langword="null"/>: UTC.</summary>
    public string? TimeZone { get; init; }

    /// <summary>How late a start of the schedule may be; <see langword="null"/>: not at all.</summary>
    public PgInterval? StartGrace { get; init; }

    /// <summary>Longest run time; <see langword="null"/>: no limit.</summary>
    public PgInterval? MaxRuntime { get; init; }

    /// <summary>Shortest run time; <see langword="null"/>: no limit.</summary>
    public PgInterval? MinRuntime { get; init; }

    /// <summary>Multiple of the usual run time that is too long; <see langword="null"/>: no limit.</summary>
    public double? LongerThanUsual { get; init; }

    /// <summary>Longest time without progress; <see langword="null"/>: no limit.</summary>
    public PgInterval? StallAfter { get; init; }

    /// <summary>End of the muting; <see langword="null"/> when the job is not muted now.</summary>
    public DateTimeOffset? MutedUntil { get; init; }

    /// <summary>Who muted it; <see langword="null"/> when it is not muted.</summary>
    public string? MutedBy { get; init; }

    /// <summary>Why it is muted; <see langword="null"/> for no reason or when it is not muted.</summary>
    public string? MutedWhy { get; init; }
}
