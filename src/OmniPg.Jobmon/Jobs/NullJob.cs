using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>A run that is recorded nowhere.</summary>
internal sealed class NullJob(string name, CancellationToken stoppingToken) : IJob
{
    private NpgsqlConnection? _work;
    private int _state = (int)JobState.Running;

    public long? JobId => null;

    public string Name => name;

    public JobState State => (JobState)Volatile.Read(ref _state);

    public bool Acquired => true;

    public CancellationToken CancellationToken => stoppingToken;

    public IStep Step(string action) => NullStep.Begin(action);

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Step(action));
    }

    public Task<T> StepAsync<T>(string action, Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        return body(Step(action), cancellationToken);
    }

    public async Task<SqlStepResult> SqlStepAsync(
        string action, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        ArgumentNullException.ThrowIfNull(connection);
        return new SqlStepResult(null, await SqlSteps.ExecuteAsync(sql, connection, transaction, cancellationToken).ConfigureAwait(false));
    }

    public Task<SqlStepResult> SqlStepAsync(string action, string sql, CancellationToken cancellationToken = default) =>
        SqlStepAsync(action, sql, _work is { State: not System.Data.ConnectionState.Closed } work ? work : throw JobRun.NoWork(Name), null, cancellationToken);

    public void Attach(NpgsqlConnection workConnection)
    {
        ArgumentNullException.ThrowIfNull(workConnection);
        _work = workConnection;
    }

    public void SetResult(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
    }

    public void Count(string name, long by = 1) => ArgumentException.ThrowIfNullOrEmpty(name);

    public void Log(LogLevel level, string message) => ArgumentNullException.ThrowIfNull(message);

    public void Complete(string? message = null) => End(JobState.Completed);

    public ValueTask CompleteAsync(string? message = null, CancellationToken cancellationToken = default) => EndAsync(JobState.Completed);

    public void Fail(Exception error, AlertLevel? level = null)
    {
        ArgumentNullException.ThrowIfNull(error);
        End(JobState.Failed);
    }

    public void Fail(string reason, AlertLevel? level = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        End(JobState.Failed);
    }

    public ValueTask FailAsync(Exception error, AlertLevel? level = null, CancellationToken cancellationToken = default)
    {
        Fail(error, level);
        return ValueTask.CompletedTask;
    }

    public ValueTask FailAsync(string reason, AlertLevel? level = null, CancellationToken cancellationToken = default)
    {
        Fail(reason, level);
        return ValueTask.CompletedTask;
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public void Dispose() => End(JobState.Failed);

    public ValueTask DisposeAsync() => EndAsync(JobState.Failed);

    private void End(JobState state) => Interlocked.CompareExchange(ref _state, (int)state, (int)JobState.Running);

    private ValueTask EndAsync(JobState state)
    {
        End(state);
        return ValueTask.CompletedTask;
    }
}
