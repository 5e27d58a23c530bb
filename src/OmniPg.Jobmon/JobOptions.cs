using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Settings of one run; <see cref="JobBuilder"/> is the fluent form.</summary>
/// <remarks>
/// Checked when the run starts: what cannot work is an <see cref="Microsoft.Extensions.Options.OptionsValidationException"/> that lists all of it, whatever the
/// error policy. A run keeps a copy: what is set later is for the next one.
/// </remarks>
public sealed class JobOptions : ICheckedOptions
{
    /// <summary>Whether at most one run of this name may be active per database. Default false.</summary>
    /// <remarks>The lock is compatible with <c>sql_job()</c> of the original and dies with the process.</remarks>
    public bool SingleInstance { get; set; }

    /// <summary>What a single-instance job does when another run is active. Default <see cref="OnConflict.Skip"/>.</summary>
    public OnConflict OnConflict { get; set; } = OnConflict.Skip;

    /// <summary>Longest wait of <see cref="OnConflict.Wait"/>, then <see cref="JobAlreadyRunningException"/>. Default 1 min, at least zero, which does not wait.</summary>
    public TimeSpan WaitTimeout { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Run time after which the monitor reports the run as <c>OVERDUE</c>; the run itself is not stopped. Default null: that of the job's
    /// rule (<see cref="CheckBuilder.MaxRuntime"/>), if there is one; positive. Needs the side schema.
    /// </summary>
    public TimeSpan? MaxRuntime { get; set; }

    /// <summary>Tags stored with the run, to list runs by (<see cref="JobQuery.Tag"/>). Default none. Needs the side schema.</summary>
    public IReadOnlyList<string> Tags { get; set; } = [];

    /// <summary>
    /// Parameters stored with the run as JSON; of more than 64 KiB the rest is left out and counted in <c>omitted</c>. Default none. Needs
    /// the side schema.
    /// </summary>
    public IReadOnlyDictionary<string, string> Arguments { get; set; } = new Dictionary<string, string>();

    /// <summary>
    /// The run that this one belongs to. Default null: the innermost open run of the same client in this flow. A run of another log is
    /// refused with <see cref="ArgumentException"/>: its id would mean another run here.
    /// </summary>
    public IJob? Parent { get; set; }

    /// <summary>
    /// Whether only runs that matter are recorded: nothing is written until the run ends and it or one of its steps had something else than success, or lasts
    /// longer than <see cref="RecordWhenLongerThan"/>, or <see cref="IJob.FlushAsync"/> is called. For jobs that run every second. Default false: every run,
    /// as it happens.
    /// </summary>
    /// <remarks>Until then the run has no id, no heartbeat covers it, and a killed process leaves no trace of it.</remarks>
    public bool ErrorsOnly { get; set; }

    /// <summary>Run time beyond which a run of <see cref="ErrorsOnly"/> is recorded although nothing failed. Default null: never.</summary>
    public TimeSpan? RecordWhenLongerThan { get; set; }

    /// <summary>How this job and its steps end when disposed open. Default null: <see cref="JobmonOptions.DisposeBehavior"/>.</summary>
    public DisposeBehavior? DisposeBehavior { get; set; }

    /// <summary>Level of a run that ends by cancellation. Default <see cref="AlertLevel.Critical"/>; a code from 1.</summary>
    public AlertLevel CancelledLevel { get; set; } = AlertLevel.Critical;

    /// <summary>
    /// Token of the host, for a job that is begun with <c>using</c>: <see cref="IJob.CancellationToken"/> fires with it, too, and a job
    /// that is disposed open by an <see cref="OperationCanceledException"/> after it has fired was cancelled, not failed, as in
    /// <see cref="IJobmon.RunAsync(string, Func{IJob, CancellationToken, Task}, JobOptions?, CancellationToken)"/>. Default none.
    /// </summary>
    public CancellationToken StoppingToken { get; set; }

    /// <summary>Connection the work runs on, open, as by <see cref="IJob.Attach"/>. Default null. The caller keeps it.</summary>
    public NpgsqlConnection? WorkConnection { get; set; }

    internal JobOptions Copy() => (JobOptions)MemberwiseClone();

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.NotNegative(WaitTimeout);
        check.NotNegative(RecordWhenLongerThan);
        check.Positive(MaxRuntime);
        check.That(CancelledLevel >= AlertLevel.Ok, $"CancelledLevel '{CancelledLevel.Code}' must be a code from 1.");
        check.Defined<OnConflict>(OnConflict);
        check.Defined(DisposeBehavior);
    }
}

/// <summary>What a single-instance job does when another run of its name is active.</summary>
public enum OnConflict
{
    /// <summary>Logs the attempt at warning level and hands back a job with <see cref="IJob.Acquired"/> = false.</summary>
    Skip,

    /// <summary>Waits for the other run to end, at most <see cref="JobOptions.WaitTimeout"/>, then throws.</summary>
    Wait,

    /// <summary>Throws <see cref="JobAlreadyRunningException"/> at once; nothing is recorded.</summary>
    Throw,
}

/// <summary>Settings of <see cref="IJobmon.RunSqlAsync"/>.</summary>
public sealed class SqlJobOptions : ICheckedOptions
{
    /// <summary>Settings of the run. Default: single instance, skipped on conflict, as <c>sql_job()</c>.</summary>
    public JobOptions Job { get; set; } = new() { SingleInstance = true };

    /// <summary>Data source the SQL runs on. Default null: the one given to the client.</summary>
    public NpgsqlDataSource? DataSource { get; set; }

    /// <summary>Longest run of the SQL, rounded up to seconds. Default <see cref="TimeSpan.Zero"/>: no limit.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.Zero;

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.Inner(Job);
        check.NotNegative(CommandTimeout);
    }
}
