namespace OmniPg.Jobmon;

/// <summary>
/// A job log that records nothing and needs no server: where logging is optional. For tests see <c>RecordingJobmon</c>.
/// </summary>
/// <remarks>Bodies run, exceptions pass through, progress can be read back; only the record is missing.</remarks>
public sealed class NullJobmon : IJobmon
{
    private const string NoLog = "NullJobmon has no log to read or administer.";

    private NullJobmon()
    {
    }

    /// <summary>The one instance.</summary>
    public static NullJobmon Instance { get; } = new();

    /// <summary>Always null.</summary>
    public IJob? Current => null;

    /// <summary>Not available.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public IJobHistory History => throw new InvalidOperationException(NoLog);

    /// <summary>Not available.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public IJobMonitor Monitor => throw new InvalidOperationException(NoLog);

    /// <summary>Not available.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public IJobmonAdmin Admin => throw new InvalidOperationException(NoLog);

    /// <inheritdoc/>
    public IJob Start(string jobName, JobOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(jobName);
        return new NullJob(jobName, options?.StoppingToken ?? CancellationToken.None);
    }

    /// <inheritdoc/>
    public ValueTask<IJob> StartAsync(string jobName, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Start(jobName, options));
    }

    /// <inheritdoc/>
    public Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        return body(Start(jobName), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        return await body(Start(jobName), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Not available: without a server there is nothing to run the SQL.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public Task<SqlJobResult> RunSqlAsync(string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new InvalidOperationException("NullJobmon has no server to run SQL on.");

    /// <inheritdoc/>
    public JobBuilder Job(string jobName) => new(this, jobName);

    /// <summary>Not available.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken = default) => throw new InvalidOperationException(NoLog);

    /// <summary>Does nothing.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
