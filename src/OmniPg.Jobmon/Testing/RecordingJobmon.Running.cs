namespace OmniPg.Jobmon.Testing;

/// <content>Runs: open ones, whole ones, and SQL.</content>
public sealed partial class RecordingJobmon
{
    /// <inheritdoc/>
    public IJob Start(string jobName, JobOptions? options = null) =>
        SyncCall.Run(NewRun(jobName, options).BeginAsync(async: false, CancellationToken.None));

    /// <inheritdoc/>
    public ValueTask<IJob> StartAsync(string jobName, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return NewRun(jobName, options).BeginAsync(async: true, cancellationToken);
    }

    /// <inheritdoc/>
    public Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default) =>
        RunAsync(jobName, JobBodies.WithResult(body), options, cancellationToken);

    /// <inheritdoc/>
    public async Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        var run = NewRun(jobName, options);
        await run.BeginAsync(async: true, cancellationToken).ConfigureAwait(false);
        return await JobBodies.RunAsync(run, body, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Neither <see cref="SqlAnswer"/> nor <see cref="SqlJobOptions.DataSource"/> is set.</exception>
    public async Task<SqlJobResult> RunSqlAsync(
        string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        cancellationToken.ThrowIfCancellationRequested();
        options ??= new SqlJobOptions();
        JobOptionsValidator.Check(options);
        if (SqlAnswer is null && options.DataSource is null)
            throw Unsupported.For(nameof(RunSqlAsync), "set RecordingJobmon.SqlAnswer, or SqlJobOptions.DataSource to run the SQL on a server");
        var run = NewRun(jobName, options.Job);
        await run.BeginAsync(async: true, cancellationToken).ConfigureAwait(false);
        return await RecordingSql.JobAsync(run, sql, options, SqlAnswer, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public JobBuilder Job(string jobName) => new(this, jobName);

    /// <summary>In the caller's own frame, because the new run becomes the current one of its flow.</summary>
    private RecordingRun NewRun(string jobName, JobOptions? options)
    {
        JobNameRule.Check(jobName, _defaults.MaxJobNameBytes);
        options ??= new JobOptions();
        JobOptionsValidator.Check(options);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new RecordingRun(_log, jobName, options);
    }
}
