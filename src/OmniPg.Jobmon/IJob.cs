using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>One run of a job: a row of <c>job_log</c>. Thread-safe; steps may run in parallel.</summary>
/// <remarks>
/// The first of <c>Complete</c> and <c>Fail</c> wins; later calls are logged as a warning and ignored, and throw
/// <see cref="ObjectDisposedException"/> after dispose. Disposing an open run ends it by <see cref="JobmonOptions.DisposeBehavior"/>. The token of an
/// asynchronous call is looked at before its write; a write under way is finished.
/// </remarks>
/// <exception cref="ObjectDisposedException">The run was disposed.</exception>
/// <exception cref="JobmonException">Only with <see cref="ErrorPolicy.Throw"/>: the log could not be written.</exception>
public interface IJob : IDisposable, IAsyncDisposable
{
    /// <summary>
    /// Id in <c>job_log</c>; null while the server is away, and for a run of <see cref="JobOptions.ErrorsOnly"/> until it is recorded.
    /// </summary>
    long? JobId { get; }

    /// <summary>
    /// Name as given by the caller, after <see cref="JobmonOptions.MessageFilter"/>; the log holds it in upper case.
    /// </summary>
    string Name { get; }

    /// <summary>Where the run stands, as this process knows it.</summary>
    JobState State { get; }

    /// <summary>False when a single-instance job was skipped: do no work then.</summary>
    bool Acquired { get; }

    /// <summary>Fires when cancellation of this run is requested, or when its single-instance lock was lost to another process.</summary>
    CancellationToken CancellationToken { get; }

    /// <summary>Begins a step with synchronous I/O. Stands for <c>add_step()</c>.</summary>
    /// <param name="action">
    /// What the step does; not empty. Longer than <see cref="JobmonOptions.MaxMessageBytes"/> it is cut, as every text of the log.
    /// </param>
    /// <returns>The open step; the caller ends and disposes it. One that is left open ends with the run, at the run's level.</returns>
    /// <exception cref="ArgumentException"><paramref name="action"/> is empty or blank.</exception>
    /// <exception cref="InvalidOperationException">The run has ended or was skipped.</exception>
    /// <inheritdoc cref="IJob" path="/exception"/>
    IStep Step(string action);

    /// <inheritdoc cref="Step"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default);

    /// <summary>Runs <paramref name="body"/> as a step: completes it, or records the exception and rethrows it unchanged.</summary>
    /// <param name="action">What the step does.</param>
    /// <param name="body">The work. It may end the step itself; otherwise its return is success.</param>
    /// <param name="cancellationToken">Passed to the work, joined with <see cref="CancellationToken"/>.</param>
    /// <typeparam name="T">Type of the result.</typeparam>
    /// <returns>What <paramref name="body"/> returned.</returns>
    /// <exception cref="ArgumentException"><paramref name="action"/> is empty or blank.</exception>
    /// <exception cref="InvalidOperationException">The run has ended or was skipped.</exception>
    /// <inheritdoc cref="IJob" path="/exception"/>
    /// <exception cref="OperationCanceledException">The token fired before the work, which does not begin then, or the work ended by it.</exception>
    Task<T> StepAsync<T>(string action, Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken = default);

    /// <summary>Runs one SQL text as a step with message <c>Rows affected: n</c>. Stands for <c>sql_step()</c>.</summary>
    /// <param name="action">What the step does.</param>
    /// <param name="sql">The SQL, one statement or several; never a place for values that are not constants.</param>
    /// <param name="connection">Open connection of the caller; the SQL takes part in its transaction.</param>
    /// <param name="transaction">The transaction; a failure rolls back to the point before the SQL. Null for none.</param>
    /// <param name="cancellationToken">Cancels the SQL.</param>
    /// <returns>Id of the step and the rows that the server counted, SELECT included.</returns>
    /// <exception cref="ArgumentException"><paramref name="action"/> or <paramref name="sql"/> is empty or blank.</exception>
    /// <exception cref="InvalidOperationException">The run has ended or was skipped, or the connection is closed.</exception>
    /// <inheritdoc cref="IJob" path="/exception"/>
    /// <exception cref="OperationCanceledException">Cancelled; the step has ended with it, unless the token had fired before.</exception>
    /// <exception cref="NpgsqlException">The server refused the SQL, or the connection broke; the step has ended as critical.</exception>
    /// <remarks>
    /// Unlike the original the job stays open, and a failure is recorded and rethrown instead of being a returned false. The SQL has no
    /// limit of time but the server's.
    /// </remarks>
    Task<SqlStepResult> SqlStepAsync(
        string action, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Runs a SQL text as a step on the attached connection, in its transaction if it is in one; there a failure leaves the transaction
    /// aborted, while the other form with the transaction named undoes this SQL only.
    /// </summary>
    /// <param name="action">What the step does; not empty.</param>
    /// <param name="sql">One or more statements of the caller's own; not empty.</param>
    /// <param name="cancellationToken">Cancels the SQL.</param>
    /// <returns>Id of the step and the rows that the server counted, SELECT included.</returns>
    /// <exception cref="ArgumentException"><paramref name="action"/> or <paramref name="sql"/> is empty or blank.</exception>
    /// <inheritdoc cref="IJob" path="/exception"/>
    /// <exception cref="OperationCanceledException">Cancelled; the step has ended with it, unless the token had fired before.</exception>
    /// <exception cref="InvalidOperationException">No connection is attached, or it was closed.</exception>
    /// <exception cref="NpgsqlException">The server refused the SQL, or the connection broke; the step has ended as critical.</exception>
    Task<SqlStepResult> SqlStepAsync(string action, string sql, CancellationToken cancellationToken = default);

    /// <summary>Records the backend the work runs on, so that blocking, cancellation and the process id concern the real work.</summary>
    /// <param name="workConnection">Open connection of the caller, who keeps it. One query is run on it, with synchronous I/O.</param>
    /// <remarks>
    /// A later call replaces the backend. When the connection is closed the backend goes back to its pool and is forgotten before the
    /// close returns, with one statement of the log: nobody cancels the next work on it. Inside a failed transaction or beside an open
    /// reader only its pid is recorded; behind a pooler, where every transaction may have another backend, nothing.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The connection is closed.</exception>
    /// <exception cref="ObjectDisposedException">The run was disposed.</exception>
    void Attach(NpgsqlConnection workConnection);

    /// <summary>Stores a result value with the run; no I/O, written when the run ends.</summary>
    /// <param name="name">Name, for example <c>file</c>; not empty. A later value of the name wins, also over a counter.</param>
    /// <param name="value">Value. Of more than 64 KiB in a run the rest is left out and counted in <c>omitted</c>.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    void SetResult(string name, string value);

    /// <summary>Adds to a counter of the run; no I/O, written when the run ends.</summary>
    /// <param name="name">Name of the counter, for example <c>rows_out</c>; not empty. It begins at 0, also after a value of the name.</param>
    /// <param name="by">Amount; may be negative.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    void Count(string name, long by = 1);

    /// <summary>Stores a line of log with the run (side table <c>log_line</c>), below the current step; written with the next flush.</summary>
    /// <param name="level">Level, stored as its number.</param>
    /// <param name="message">The line. Lines beyond <see cref="JobmonOptions.MaxLogLines"/> are counted and dropped.</param>
    /// <exception cref="ObjectDisposedException">The run was disposed.</exception>
    void Log(LogLevel level, string message);

    /// <summary>Ends the run with success, and its open steps with it. Stands for <c>close_job()</c>.</summary>
    /// <param name="message">Text of a last step <c>Finished</c>; null adds none.</param>
    /// <inheritdoc cref="IJob" path="/exception"/>
    void Complete(string? message = null);

    /// <inheritdoc cref="Complete"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask CompleteAsync(string? message = null, CancellationToken cancellationToken = default);

    /// <summary>Ends the run as failed with an exception, and its open steps with it. Stands for <c>fail_job()</c>.</summary>
    /// <param name="error">
    /// What went wrong; stored with SQLSTATE, inner exceptions and at most 32 KiB of stack. The innermost open step gets its text, or a
    /// step of its own when none is open; nobody gets it twice when a step recorded the same exception before.
    /// </param>
    /// <param name="level">
    /// Severity; null means <see cref="AlertLevel.Critical"/>. A level without a text in <c>job_status_text</c> ends as the highest that has one.
    /// </param>
    /// <inheritdoc cref="IJob" path="/exception"/>
    void Fail(Exception error, AlertLevel? level = null);

    /// <summary>Ends the run as failed with a reason, and its open steps with it. Stands for <c>fail_job()</c>.</summary>
    /// <param name="reason">Why; not empty. It goes where the text of an exception would go.</param>
    /// <param name="level">Severity; null means <see cref="AlertLevel.Critical"/>.</param>
    /// <inheritdoc cref="IJob" path="/exception"/>
    /// <exception cref="ArgumentException"><paramref name="reason"/> is empty.</exception>
    void Fail(string reason, AlertLevel? level = null);

    /// <inheritdoc cref="Fail(Exception, AlertLevel?)"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask FailAsync(Exception error, AlertLevel? level = null, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="Fail(string, AlertLevel?)"/>
    /// <exception cref="OperationCanceledException">The token had been cancelled before the write; nothing was done.</exception>
    ValueTask FailAsync(string reason, AlertLevel? level = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Writes progress, log lines and buffered events now; a run of <see cref="JobOptions.ErrorsOnly"/> is recorded from now on.
    /// </summary>
    /// <param name="cancellationToken">Checked before the write, and ends the wait for another write of this run.</param>
    /// <exception cref="JobmonException">The server did not take them, whatever the <see cref="JobmonOptions.ErrorPolicy"/>.</exception>
    /// <exception cref="OperationCanceledException">The token fired before the write or while another one was waited for.</exception>
    ValueTask FlushAsync(CancellationToken cancellationToken = default);
}

/// <summary>Outcome of <see cref="IJobmon.RunSqlAsync"/>.</summary>
/// <param name="JobId">Id of the run; null while the log could not be written.</param>
/// <param name="Succeeded">Whether the SQL ran to its end; false when it was skipped.</param>
/// <param name="RowsAffected">Rows counted by the server, SELECT included; 0 when it failed or was skipped.</param>
/// <param name="Skipped">Whether another run of the name was active.</param>
/// <param name="Error">What the SQL failed with; null on success.</param>
public sealed record SqlJobResult(long? JobId, bool Succeeded, long RowsAffected, bool Skipped, Exception? Error)
{
    /// <summary>
    /// The text the original returns, for example <c>Job logged with job id: 7</c>; that of a skipped run names its id in place of the name.
    /// </summary>
    public override string ToString() => (Succeeded, Skipped) switch
    {
        (true, _) => string.Create(null, $"Job logged with job id: {JobId}"),
        (_, true) => string.Create(null, $"Concurrent job found. Obtaining advisory lock FAILED for job id: {JobId}"),
        _ => string.Create(null, $"Job ID {JobId} failed. See job_detail table for more details"),
    };
}

/// <summary>Outcome of <see cref="IJob.SqlStepAsync(string, string, Npgsql.NpgsqlConnection, Npgsql.NpgsqlTransaction?, CancellationToken)"/>.</summary>
/// <param name="StepId">Id of the step; null while the log could not be written.</param>
/// <param name="RowsAffected">Rows counted by the server over all statements, SELECT included.</param>
public sealed record SqlStepResult(long? StepId, long RowsAffected);

/// <summary>Where a job handle stands, as this process knows it.</summary>
public enum JobState
{
    /// <summary>Started and not ended.</summary>
    Running,

    /// <summary>Not run, because another run of the same name holds the single-instance lock.</summary>
    Skipped,

    /// <summary>Ended with success.</summary>
    Completed,

    /// <summary>Ended by <c>Fail</c> at any level, by an exception, or by a dispose without an end.</summary>
    Failed,

    /// <summary>Ended after a cancellation request or by the caller's token.</summary>
    Cancelled,

    /// <summary>Somebody else (cancel, reaper, another client) ended the row first; this handle's outcome was not written.</summary>
    EndedElsewhere,
}
