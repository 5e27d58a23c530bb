namespace OmniPg.Jobmon;

/// <summary>Entry point of the job log. Thread-safe; one instance per database is enough.</summary>
/// <remarks>
/// Every write goes through connections of its own, outside any transaction of the caller, so the record survives rollback and crash.
/// </remarks>
public interface IJobmon : IAsyncDisposable
{
    /// <summary>Starts a run with synchronous I/O, for the <c>using</c> pattern. Stands for <c>add_job()</c>.</summary>
    /// <param name="jobName">Name of the job; the server stores it in upper case, the original is kept beside it.</param>
    /// <param name="options">Settings of this run; null means all defaults.</param>
    /// <returns>The open run. End it with <see cref="IJob.Complete"/> or <see cref="IJob.Fail(Exception, AlertLevel?)"/>.</returns>
    /// <exception cref="ArgumentException">The name is empty or longer than <see cref="JobmonOptions.MaxJobNameBytes"/>.</exception>
    /// <exception cref="JobAlreadyRunningException">Single instance with <see cref="OnConflict.Throw"/>, or the wait timed out.</exception>
    /// <exception cref="JobmonException">Only with <see cref="ErrorPolicy.Throw"/>, or when a single-instance lock cannot be decided.</exception>
    IJob Start(string jobName, JobOptions? options = null);

    /// <inheritdoc cref="Start"/>
    /// <param name="jobName">Name of the job.</param>
    /// <param name="options">Settings of this run; null means all defaults.</param>
    /// <param name="cancellationToken">Ends the wait for a single-instance lock; a write under way is finished.</param>
    ValueTask<IJob> StartAsync(string jobName, JobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Runs <paramref name="body"/> as a job: completes it, or records the exception and rethrows it unchanged.</summary>
    /// <param name="jobName">Name of the job.</param>
    /// <param name="body">The work; its token fires on the caller's cancellation and on a cancellation request for this run.</param>
    /// <param name="options">Settings of this run; null means all defaults.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <remarks>A single-instance run that is skipped does not call <paramref name="body"/>.</remarks>
    Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>As the other overload, with a result; a skipped run returns <c>default</c>.</summary>
    /// <param name="jobName">Name of the job.</param>
    /// <param name="body">The work.</param>
    /// <param name="options">Settings of this run; null means all defaults.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Runs one SQL text as a job of one step. Stands for <c>sql_job()</c>, single instance as there.</summary>
    /// <param name="jobName">Name of the job.</param>
    /// <param name="sql">The SQL, run in one transaction on a connection of the data source given at creation.</param>
    /// <param name="options">Settings; null means all defaults.</param>
    /// <param name="cancellationToken">Cancels the SQL.</param>
    /// <returns>The outcome. A failing SQL is recorded and returned, not thrown, as in the original.</returns>
    Task<SqlJobResult> RunSqlAsync(string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Fluent form of <see cref="JobOptions"/>.</summary>
    /// <param name="jobName">Name of the job.</param>
    JobBuilder Job(string jobName);

    /// <summary>The innermost open run of this asynchronous flow, or null.</summary>
    IJob? Current { get; }

    /// <summary>Reads the log.</summary>
    IJobHistory History { get; }

    /// <summary>Checks and watches the log.</summary>
    IJobMonitor Monitor { get; }

    /// <summary>Installs, configures and cleans the log.</summary>
    IJobmonAdmin Admin { get; }

    /// <summary>Looks anew at what is installed and what the role can do with it.</summary>
    ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken = default);
}
