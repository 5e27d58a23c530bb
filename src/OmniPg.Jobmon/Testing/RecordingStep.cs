namespace OmniPg.Jobmon.Testing;

/// <summary>The handle of a recorded step.</summary>
internal sealed class RecordingStep : IStep
{
    private readonly RecordingRun _run;
    private readonly RecordingStep? _parent;
    private volatile bool _disposed;

    public RecordingStep(RecordingRun run, RecordingStep? parent, StepEntry entry)
    {
        (_run, _parent, Entry) = (run, parent, entry);
        entry.Scope = RecordingScope.Enter(run, entry);
    }

    public StepEntry Entry { get; }

    public long? StepId => Read(entry => entry.Id);

    public string Action => Entry.Action;

    public StepProgress Progress => Entry.Cell.Read();

    public bool IsOpen => Read(entry => entry.IsOpen);

    public IStep Step(string action) => _run.NewStep(action, this);

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Step(action));
    }

    public IStep Next(string action, string? message = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        ObjectDisposedException.ThrowIf(_disposed, this);
        lock (_run.Record.Gate)
        {
            if (!Entry.IsOpen)
                throw new InvalidOperationException($"Step '{Action}' has ended already.");
            Entry.End(AlertLevel.Ok, message ?? Entry.ProgressMessage);
            return _run.NewStep(action, _parent);
        }
    }

    public ValueTask<IStep> NextAsync(string action, string? message = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Next(action, message));
    }

    public void Report(long current, long? total = null, string? message = null) => Entry.Cell.Report(current, total, message);

    public void Report(StepProgress value)
    {
        Entry.Cell.SetUnit(value.Unit);
        Entry.Cell.Report(value.Current, value.Total, value.Message);
    }

    public void Increment(long by = 1) => Entry.Cell.Increment(by);

    public void Complete(string? message = null, string? status = null) => End(AlertLevel.Ok, message, status);

    public void Warn(string message)
    {
        ArgumentNullException.ThrowIfNull(message);
        End(AlertLevel.Warning, message);
    }

    public void Fail(Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        End(AlertLevel.Critical, null, error: error);
    }

    public void Fail(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        End(AlertLevel.Critical, reason);
    }

    public ValueTask CompleteAsync(string? message = null, string? status = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Complete(message, status);
        return ValueTask.CompletedTask;
    }

    public ValueTask WarnAsync(string message, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Warn(message);
        return ValueTask.CompletedTask;
    }

    public ValueTask FailAsync(Exception error, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Fail(error);
        return ValueTask.CompletedTask;
    }

    public ValueTask FailAsync(string reason, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Fail(reason);
        return ValueTask.CompletedTask;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        Entry.Scope!.Ended = true;
        var thrown = Entry.Scope.LastException;
        if (_run.DisposeBehavior == DisposeBehavior.CompleteUnlessFailed)
            TryEnd(AlertLevel.Ok, null);
        else if (_run.IsCancelledBy(thrown))
            TryEnd(_run.Entry.Options.CancelledLevel, JobOutcome.CancelledText(_run.Entry.CancelRequestedBy), error: thrown);
        else
            TryEnd(AlertLevel.Critical, thrown is null ? JobOutcome.DisposedOpen : null, error: thrown);
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs <paramref name="body"/> as this step: completes it, or records the exception and rethrows it unchanged.</summary>
    public async Task<T> RunAsync<T>(Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _run.CancellationToken);
        try
        {
            var result = await body(this, either.Token).ConfigureAwait(false);
            TryEnd(AlertLevel.Ok, null);
            return result;
        }
        catch (Exception error)
        {
            TryEnd(AlertLevel.Critical, null, error: error);
            throw;
        }
        finally
        {
            _disposed = true;
        }
    }

    public bool TryEnd(AlertLevel level, string? message, string? status = null, Exception? error = null, long? rows = null)
    {
        lock (_run.Record.Gate)
        {
            if (!Entry.IsOpen)
                return false;
            // A later good step does not make it forgotten: the run may still end with this exception.
            _run.Entry.LastStepError = error ?? _run.Entry.LastStepError;
            Entry.End(level, message ?? (error is null ? Entry.ProgressMessage : ErrorDocument.Message(error)), status, error, rows);
            return true;
        }
    }

    private void End(AlertLevel level, string? message, string? status = null, Exception? error = null)
    {
        if (!TryEnd(level, message, status, error))
            ObjectDisposedException.ThrowIf(_disposed, this);
    }

    private T Read<T>(Func<StepEntry, T> value)
    {
        lock (_run.Record.Gate)
            return value(Entry);
    }
}
