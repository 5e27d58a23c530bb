using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Fluent form of <see cref="JobOptions"/>: immutable, every call returns a new value.</summary>
public sealed class JobBuilder
{
    private readonly IJobmon _jobmon;
    private readonly string _jobName;
    private readonly JobOptions _options;

    /// <summary>Starts from the defaults of <see cref="JobOptions"/>.</summary>
    /// <param name="jobmon">Log that will run the job, a client or a fake.</param>
    /// <param name="jobName">Name of the job; not empty.</param>
    /// <exception cref="ArgumentException"><paramref name="jobName"/> is empty or blank.</exception>
    public JobBuilder(IJobmon jobmon, string jobName) : this(jobmon, jobName, new JobOptions())
    {
    }

    private JobBuilder(IJobmon jobmon, string jobName, JobOptions options)
    {
        ArgumentNullException.ThrowIfNull(jobmon);
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        (_jobmon, _jobName, _options) = (jobmon, jobName, options);
    }

    /// <summary>A copy of what has been set so far.</summary>
    public JobOptions Options => _options.Copy();

    /// <summary>At most one active run of this name per database, in any process; names that differ in case only are the same.</summary>
    /// <param name="onConflict">What to do when another run is active. Default <see cref="OnConflict.Skip"/>.</param>
    public JobBuilder SingleInstance(OnConflict onConflict = OnConflict.Skip) =>
        With(options => (options.SingleInstance, options.OnConflict) = (true, onConflict));

    /// <summary>At most one active run of this name; waits at most <paramref name="timeout"/> for the other to end.</summary>
    /// <param name="timeout">Longest wait; then <see cref="JobAlreadyRunningException"/>.</param>
    public JobBuilder SingleInstance(TimeSpan timeout) =>
        With(options => (options.SingleInstance, options.OnConflict, options.WaitTimeout) = (true, OnConflict.Wait, timeout));

    /// <summary>Run time after which the monitor reports the run as <c>OVERDUE</c>; the run itself is not stopped.</summary>
    public JobBuilder MaxRuntime(TimeSpan maxRuntime) => With(options => options.MaxRuntime = maxRuntime);

    /// <summary>Adds a tag, to list runs by (<see cref="JobQuery.Tag"/>).</summary>
    /// <param name="tag">The tag, with case.</param>
    public JobBuilder Tag(string tag) => With(options => options.Tags = [.. options.Tags, tag]);

    /// <summary>Adds a parameter to the record of the run; a later value of the same name wins.</summary>
    /// <param name="name">Name of the parameter.</param>
    /// <param name="value">Value as text; no secret belongs here.</param>
    public JobBuilder Argument(string name, string value) =>
        With(options => options.Arguments = new Dictionary<string, string>(options.Arguments) { [name] = value });

    /// <summary>Makes the run a child of <paramref name="parent"/> in place of <see cref="IJobmon.Current"/>.</summary>
    /// <param name="parent">An open or ended run of the same log.</param>
    public JobBuilder ChildOf(IJob parent) => With(options => options.Parent = parent);

    /// <summary>Records the run only if it or a step of it fails or, with <paramref name="orLongerThan"/>, lasts longer.</summary>
    /// <param name="orLongerThan">Run time beyond which it is recorded all the same; null means never.</param>
    public JobBuilder ErrorsOnly(TimeSpan? orLongerThan = null) =>
        With(options => (options.ErrorsOnly, options.RecordWhenLongerThan) = (true, orLongerThan));

    /// <summary>How the job and its steps end when disposed open, in place of <see cref="JobmonOptions.DisposeBehavior"/>.</summary>
    public JobBuilder OnDispose(DisposeBehavior behavior) => With(options => options.DisposeBehavior = behavior);

    /// <summary>Level of a run that ends by cancellation. Default <see cref="AlertLevel.Critical"/>.</summary>
    public JobBuilder WhenCancelled(AlertLevel level) => With(options => options.CancelledLevel = level);

    /// <summary>Token of the host: a job that is disposed open because of it was cancelled, not failed (<see cref="JobOptions.StoppingToken"/>).</summary>
    public JobBuilder StopWith(CancellationToken stoppingToken) => With(options => options.StoppingToken = stoppingToken);

    /// <summary>Connection the work runs on, as by <see cref="IJob.Attach"/>; it must be open when the job starts.</summary>
    /// <param name="workConnection">Connection of the caller, who keeps it.</param>
    public JobBuilder Attach(NpgsqlConnection workConnection) => With(options => options.WorkConnection = workConnection);

    /// <inheritdoc cref="IJobmon.Start"/>
    public IJob Start() => _jobmon.Start(_jobName, Options);

    /// <inheritdoc cref="IJobmon.StartAsync"/>
    public ValueTask<IJob> StartAsync(CancellationToken cancellationToken = default) =>
        _jobmon.StartAsync(_jobName, Options, cancellationToken);

    /// <inheritdoc cref="IJobmon.RunAsync(string, Func{IJob, CancellationToken, Task}, JobOptions?, CancellationToken)"/>
    public Task RunAsync(Func<IJob, CancellationToken, Task> body, CancellationToken cancellationToken = default) =>
        _jobmon.RunAsync(_jobName, body, Options, cancellationToken);

    private JobBuilder With(Action<JobOptions> set)
    {
        var changed = Options;
        set(changed);
        return new JobBuilder(_jobmon, _jobName, changed);
    }
}
