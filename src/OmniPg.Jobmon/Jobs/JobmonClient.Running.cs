using Npgsql;

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
        var run = NewRun(jobName, options.Job);
        await BeginAsync(async: true, run, cancellationToken).ConfigureAwait(false);
        await using var ending = run.ConfigureAwait(false);
        if (!run.Acquired)
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: true, null);
        try
        {
            var rows = await run.StepAsync(
                $"Running sql: {SqlText.QuoteLiteral(sql)}",
                (step, token) => ExecuteAsync(run, (StepRun)step, sql, options, token),
                cancellationToken).ConfigureAwait(false);
            await run.CompleteAsync(cancellationToken: CancellationToken.None).ConfigureAwait(false);
            return new SqlJobResult(run.JobId, Succeeded: true, rows, Skipped: false, null);
        }
        catch (NpgsqlException error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            return new SqlJobResult(run.JobId, Succeeded: false, 0, Skipped: false, error);
        }
        catch (Exception error)
        {
            await run.EndWithAsync(error, cancellationToken).ConfigureAwait(false);
            throw;
        }
    }

    private async Task<long> ExecuteAsync(JobRun run, StepRun step, string sql, SqlJobOptions options, CancellationToken cancellationToken)
    {
        var connection = await (options.DataSource ?? _dataSource).OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var closing = connection.ConfigureAwait(false);
        run.Attach(connection);
        var rows = await SqlText.ExecuteAsync(connection, null, sql, options.CommandTimeout, cancellationToken).ConfigureAwait(false);
        await step.EndSqlAsync(rows).ConfigureAwait(false);
        return rows;
    }

    /// <summary>Other processes' dead runs are closed by whoever comes by, at most once a minute, in the background.</summary>
    private void ReapNowAndThen()
    {
        if (!_reapThrottle.MayLog("reap"))
            return;
        _runtime.Pump.Run(() =>
        {
            if (_runtime.Writer.Server is not { HasSide: true } server)
                return;
            using var connection = SyncCall.Run(_runtime.Connections.OpenAsync(async: false, CancellationToken.None));
            using var command = new NpgsqlCommand(server.Render(ControlSql.Reap), connection) { CommandTimeout = server.CommandTimeoutSeconds };
            command.Parameters.Add(new NpgsqlParameter<double> { TypedValue = _options.DeadAfter.TotalSeconds });
            if (command.ExecuteScalar() is int closed and > 0)
                JobmonLog.Reaped(_runtime.Logger, closed);
        });
    }
}
