namespace OmniPg.Jobmon;

/// <content>Whole jobs: a body or a SQL text.</content>
public sealed partial class JobmonClient
{
    /// <inheritdoc/>
    public Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        return RunAsync(
            jobName,
            async (job, token) =>
            {
                await body(job, token).ConfigureAwait(false);
                return true;
            },
            options,
            cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        var run = NewRun(jobName, options);
        await BeginAsync(async: true, run, cancellationToken).ConfigureAwait(false);
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return default;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, run.CancellationToken);
        try
        {
            var result = await body(run, either.Token).ConfigureAwait(false);
            if (run.State == JobState.Running)
                await run.CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return result;
        }
        catch (Exception error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            throw;
        }
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
        return await SqlJobs.RunAsync(run, sql, _dataSource, options, cancellationToken).ConfigureAwait(false);
    }
}
