using System.Data;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace OmniPg.Jobmon.Testing;

/// <summary>The handle of a recorded run: the rules of the client's handle, without its I/O.</summary>
internal sealed partial class RecordingRun : IOwnedRun
{
    private readonly RecordingScope _scope;
    private volatile NpgsqlConnection? _work;
    private volatile bool _disposed;

    /// <summary>Makes the run the current one of the caller's flow.</summary>
    public RecordingRun(RecordingLog record, string jobName, JobOptions options)
    {
        Record = record;
        var parent = options.Parent switch
        {
            null => RecordingScope.Current(record)?.Run,
            NullJob => null,
            RecordingRun run when run.Record == record => run,
            var other => throw RunStart.ForeignParent(other),
        };
        Entry = new JobEntry(record.Context, record.Context.Texts.Clean(jobName)!, options, parent?.Entry);
        // A test's token: it lives no longer than the record.
        options.StoppingToken.Register(Entry.Cancellation.Cancel);
        Entry.Scope = _scope = RecordingScope.Enter(this);
    }

    public RecordingLog Record { get; }

    public JobEntry Entry { get; }

    public long? JobId => Entry.Id;

    public string Name => Entry.Name;

    public JobState State
    {
        get
        {
            lock (Record.Gate)
                return Entry.State;
        }
    }

    public bool Acquired => State != JobState.Skipped;

    public CancellationToken CancellationToken => Entry.Cancellation.Token;

    public DisposeBehavior DisposeBehavior => Entry.Options.DisposeBehavior ?? Record.DisposeBehavior;

    public async ValueTask<IJob> BeginAsync(bool async, CancellationToken cancellationToken)
    {
        var before = _scope.LastException;
        try
        {
            if (Entry.Options.SingleInstance && !await Record.Holders.TakeAsync(async, Entry, cancellationToken).ConfigureAwait(false))
            {
                Skip();
                return this;
            }

            Record.Add(Entry);
            if (Entry.Options.WorkConnection is { } work)
                Attach(work);
        }
        catch
        {
            (_scope.Ended, _disposed) = (true, true);
            Record.Holders.Release(Entry);
            throw;
        }

        _scope.LastException = before;
        return this;
    }

    public IStep Step(string action) => NewStep(action, null);

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Step(action));
    }

    public Task<T> StepAsync<T>(string action, Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        return NewStep(action, null).RunAsync(body, cancellationToken);
    }

    public Task<SqlStepResult> SqlStepAsync(
        string action, string sql, NpgsqlConnection connection, NpgsqlTransaction? transaction = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(sql);
        ArgumentNullException.ThrowIfNull(connection);
        cancellationToken.ThrowIfCancellationRequested();
        return RecordingSql.StepAsync(NewStep(action, null), sql, connection, transaction, Record.SqlAnswer, cancellationToken);
    }

    public Task<SqlStepResult> SqlStepAsync(string action, string sql, CancellationToken cancellationToken = default) =>
        SqlStepAsync(
            action, sql, _work is { State: not ConnectionState.Closed } work ? work : throw JobRun.NoWork(Name), null, cancellationToken);

    /// <summary>Makes the step the current scope of the caller's flow.</summary>
    public RecordingStep NewStep(string action, RecordingStep? parent)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (Record.Gate)
        {
            if (Entry.State != JobState.Running)
                throw new InvalidOperationException($"Job '{Name}' has ended as '{State}'; a step cannot be added.");
            return new RecordingStep(this, parent, Entry.Begin(parent?.Entry, action));
        }
    }

    public void Attach(NpgsqlConnection workConnection)
    {
        ArgumentNullException.ThrowIfNull(workConnection);
        ObjectDisposedException.ThrowIf(_disposed, this);
        var pid = WorkBackend.Known(workConnection);
        _work = workConnection;
        workConnection.StateChange += OnWorkStateChange;
        lock (Record.Gate)
            Entry.WorkPid = pid;
    }

    private void OnWorkStateChange(object sender, StateChangeEventArgs change)
    {
        if (change.CurrentState is not (ConnectionState.Closed or ConnectionState.Broken))
            return;
        ((NpgsqlConnection)sender).StateChange -= OnWorkStateChange;
        lock (Record.Gate)
        {
            if (sender == _work && Entry.State == JobState.Running)
                Entry.WorkPid = null;
        }
    }

    public void SetResult(string name, string value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(value);
        Entry.Values.Set(name, value);
    }

    public void Count(string name, long by = 1)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Entry.Values.Count(name, by);
    }

    public void Log(LogLevel level, string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        ObjectDisposedException.ThrowIf(_disposed, this);
        Capture(RecordingScope.Current(Record) is { Step: { } step } scope && scope.Run == this ? step : null, level, null, message);
    }

    public void Capture(StepEntry? step, LogLevel level, string? category, string message)
    {
        lock (Record.Gate)
            Entry.Write(step, level, category, message);
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Record.Release(Entry);
        return ValueTask.CompletedTask;
    }
}
