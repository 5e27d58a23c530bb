using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One run of a job: a row of <c>job_log</c>. Thread-safe; steps may run in parallel.</summary>
/// <remarks>
/// The first of <c>Complete</c> and <c>Fail</c> wins; later calls are logged as a warning and ignored, and throw
/// <see cref="ObjectDisposedException"/> after dispose. Disposing an open run ends it by <see cref="JobmonOptions.DisposeBehavior"/>.
/// </remarks>
public interface IJob : IDisposable, IAsyncDisposable
{
    /// <summary>Id in <c>job_log</c>; null while the server is away.</summary>
    long? JobId { get; }

    /// <summary>Name as given by the caller.</summary>
    string Name { get; }

    /// <summary>Where the run stands, as this process knows it.</summary>
    JobState State { get; }

    /// <summary>False when a single-instance job was skipped: do no work then.</summary>
    bool Acquired { get; }

    /// <summary>Fires when cancellation of this run is requested, or when its single-instance lock was lost to another process.</summary>
    CancellationToken CancellationToken { get; }

    /// <summary>Begins a step with synchronous I/O. Stands for <c>add_step()</c>.</summary>
    /// <param name="action">What the step does.</param>
    IStep Step(string action);

    /// <summary>Begins a step. Stands for <c>add_step()</c>.</summary>
    /// <param name="action">What the step does.</param>
    /// <param name="cancellationToken">Checked before the write; a write under way is finished.</param>
    ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default);

    /// <summary>Runs <paramref name="body"/> as a step: completes it, or records the exception and rethrows it unchanged.</summary>
    /// <param name="action">What the step does.</param>
    /// <param name="body">The work.</param>
    /// <param name="cancellationToken">Passed to the work, joined with <see cref="CancellationToken"/>.</param>
    Task<T> StepAsync<T>(string action, Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken = default);

    /// <summary>Runs one SQL text as a step with message <c>Rows affected: n</c>. Stands for <c>sql_step()</c>.</summary>
    /// <param name="action">What the step does.</param>
    /// <param name="sql">The SQL.</param>
    /// <param name="connection">Open connection of the caller; the SQL takes part in its transaction.</param>
    /// <param name="transaction">The transaction; a failure rolls back to the point before the SQL. Null for none.</param>
    /// <param name="cancellationToken">Cancels the SQL.</param>
    /// <remarks>Unlike the original the job stays open, and a failure is recorded and rethrown instead of being a returned false.</remarks>
    Task<SqlStepResult> SqlStepAsync(
        string action, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction = null, CancellationToken cancellationToken = default);

    /// <summary>Records the backend the work runs on, so that blocking, cancellation and the process id concern the real work.</summary>
    /// <param name="workConnection">Open connection of the caller. One query is run on it, with synchronous I/O.</param>
    void Attach(NpgsqlConnection workConnection);

    /// <summary>Stores a parameter, result value or counter with the run; written when the run ends.</summary>
    /// <param name="name">Name, for example <c>rows_in</c>.</param>
    /// <param name="value">Value; all values of a run together at most 64 KiB.</param>
    void SetResult(string name, string value);

    /// <summary>Adds to a counter of the run, for example <c>rows_out</c>; written when the run ends.</summary>
    /// <param name="name">Name of the counter.</param>
    /// <param name="by">Amount.</param>
    void Count(string name, long by = 1);

    /// <summary>Stores a line of log with the run, below the current step; written with the next flush.</summary>
    /// <param name="level">Level.</param>
    /// <param name="message">The line.</param>
    void Log(LogLevel level, string message);

    /// <summary>Ends the run with success. Stands for <c>close_job()</c>.</summary>
    /// <param name="message">Text of a last step <c>Finished</c>; null adds none.</param>
    void Complete(string? message = null);

    /// <inheritdoc cref="Complete"/>
    /// <param name="message">Text of a last step; null adds none.</param>
    /// <param name="cancellationToken">Checked before the write.</param>
    ValueTask CompleteAsync(string? message = null, CancellationToken cancellationToken = default);

    /// <summary>Ends the run as failed with an exception. Stands for <c>fail_job()</c>.</summary>
    /// <param name="error">What went wrong; stored with SQLSTATE, inner exceptions and stack.</param>
    /// <param name="level">Severity; null means <see cref="AlertLevel.Critical"/>.</param>
    void Fail(Exception error, AlertLevel? level = null);

    /// <summary>Ends the run as failed with a reason. Stands for <c>fail_job()</c>.</summary>
    /// <param name="reason">Why.</param>
    /// <param name="level">Severity; null means <see cref="AlertLevel.Critical"/>.</param>
    void Fail(string reason, AlertLevel? level = null);

    /// <inheritdoc cref="Fail(Exception, AlertLevel?)"/>
    /// <param name="error">What went wrong.</param>
    /// <param name="level">Severity; null means critical.</param>
    /// <param name="cancellationToken">Checked before the write.</param>
    ValueTask FailAsync(Exception error, AlertLevel? level = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Fail(string, AlertLevel?)"/>
    /// <param name="reason">Why.</param>
    /// <param name="level">Severity; null means critical.</param>
    /// <param name="cancellationToken">Checked before the write.</param>
    ValueTask FailAsync(string reason, AlertLevel? level = null, CancellationToken cancellationToken = default);

    /// <summary>Writes progress and buffered events now.</summary>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="JobmonException">The server did not take them, whatever the <see cref="JobmonOptions.ErrorPolicy"/>.</exception>
    ValueTask FlushAsync(CancellationToken cancellationToken = default);
}
