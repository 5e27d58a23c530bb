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
    /// <exception cref="OperationCanceledException">The token had fired before the start, or while the lock was waited for.</exception>
    ValueTask<IJob> StartAsync(string jobName, JobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Runs <paramref name="body"/> as a job: completes it, or records the exception and rethrows it unchanged.</summary>
    /// <param name="jobName">Name of the job.</param>
    /// <param name="body">
    /// The work; its token fires on the caller's cancellation and on a cancellation request for this run. It may end the run itself.
    /// </param>
    /// <param name="options">Settings of this run; null means all defaults.</param>
    /// <param name="cancellationToken">Cancels the work.</param>
    /// <remarks>
    /// A single-instance run that is skipped does not call <paramref name="body"/>. An exception after a cancellation request, and an
    /// <see cref="OperationCanceledException"/> by the caller's token, are recorded as <c>Cancelled</c> with
    /// <see cref="JobOptions.CancelledLevel"/>.
    /// </remarks>
    /// <exception cref="JobAlreadyRunningException">Single instance with <see cref="OnConflict.Throw"/>, or the wait timed out.</exception>
    /// <exception cref="JobmonException">Only with <see cref="ErrorPolicy.Throw"/>, or when a single-instance lock cannot be decided.</exception>
    /// <exception cref="ArgumentException">The name is empty or longer than <see cref="JobmonOptions.MaxJobNameBytes"/>.</exception>
    /// <exception cref="OperationCanceledException">The token had fired before the start, or the work ended by it.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed.</exception>
    Task RunAsync(
        string jobName, Func<IJob, CancellationToken, Task> body, JobOptions? options = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="RunAsync(string, Func{IJob, CancellationToken, Task}, JobOptions?, CancellationToken)"/>
    /// <typeparam name="T">Type of the result.</typeparam>
    /// <returns>What <paramref name="body"/> returned; <c>default</c> for a run that was skipped.</returns>
    Task<T?> RunAsync<T>(
        string jobName, Func<IJob, CancellationToken, Task<T>> body, JobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Runs one SQL text as a job of one step. Stands for <c>sql_job()</c>, single instance as there.</summary>
    /// <param name="jobName">Name of the job.</param>
    /// <param name="sql">The SQL, run in one transaction on a connection of the data source given at creation, or of the options.</param>
    /// <param name="options">Settings; null means all defaults.</param>
    /// <param name="cancellationToken">Cancels the SQL.</param>
    /// <returns>
    /// The outcome. A SQL that the server refuses, and a lost connection, are recorded and returned, not thrown, as in the original.
    /// </returns>
    /// <exception cref="OperationCanceledException">Cancelled; recorded as such.</exception>
    /// <exception cref="ArgumentException">The name or <paramref name="sql"/> is empty, or the name is longer than <see cref="JobmonOptions.MaxJobNameBytes"/>.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work.</exception>
    /// <exception cref="InvalidOperationException">This client has no server to run SQL on.</exception>
    /// <exception cref="JobAlreadyRunningException">Another run holds the lock, with <see cref="OnConflict.Throw"/>, or the wait timed out.</exception>
    /// <exception cref="JobmonException">With <see cref="ErrorPolicy.Throw"/>, or when the single-instance lock cannot be decided.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed.</exception>
    Task<SqlJobResult> RunSqlAsync(string jobName, string sql, SqlJobOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Fluent form of <see cref="JobOptions"/>; nothing is written before it is started.</summary>
    /// <param name="jobName">Name of the job; not empty.</param>
    JobBuilder Job(string jobName);

    /// <summary>The innermost open run that this client started in this asynchronous flow; null for none.</summary>
    IJob? Current { get; }

    /// <summary>Reads the log: <c>show_job</c> and relatives.</summary>
    IJobHistory History { get; }

    /// <summary>Checks and watches the log: <c>check_job_status</c>.</summary>
    IJobMonitor Monitor { get; }

    /// <summary>Installs, configures and cleans the log: <c>job_log_clear</c>, <c>cancel_job</c>, the tables of rules and texts.</summary>
    IJobmonAdmin Admin { get; }

    /// <summary>Looks anew at what is installed and what the role can do with it; a log that is not installed is an answer, too.</summary>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <exception cref="JobmonUnavailableException">The server cannot be reached.</exception>
    ValueTask<JobmonCapabilities> GetCapabilitiesAsync(CancellationToken cancellationToken = default);
}
