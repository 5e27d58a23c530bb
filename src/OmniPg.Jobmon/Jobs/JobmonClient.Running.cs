namespace OmniPg.Jobmon;

/// <content>Whole jobs: a body or a SQL text.</content>
public sealed partial class JobmonClient
{
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
        await BeginAsync(async: true, run, cancellationToken).ConfigureAwait(false);
        return await JobBodies.RunAsync(run, body, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<SqlJobResult> RunSqlAsync(
        string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        cancellationToken.ThrowIfCancellationRequested();
        options ??= new SqlJobOptions();
        JobOptionsValidator.Check(options);
        var run = NewRun(jobName, options.Job);
        await BeginAsync(async: true, run, cancellationToken).ConfigureAwait(false);
        return await SqlJobs.RunAsync(
            run,
            sql,
            async (step, token) =>
            {
                var rows = await SqlJobs.ExecuteAsync(run, sql, options.DataSource ?? _dataSource, options.CommandTimeout, token).ConfigureAwait(false);
                await ((StepRun)step).EndSqlAsync(rows).ConfigureAwait(false);
                return rows;
            },
            cancellationToken).ConfigureAwait(false);
    }
}
