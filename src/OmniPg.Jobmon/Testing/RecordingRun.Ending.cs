namespace OmniPg.Jobmon.Testing;

/// <content>Every way in which a run ends; the first one wins.</content>
internal sealed partial class RecordingRun
{
    public void Complete(string? message = null) => End(JobOutcome.Success(message));

    public ValueTask CompleteAsync(string? message = null, CancellationToken cancellationToken = default) =>
        EndAsync(JobOutcome.Success(message), cancellationToken);

    public void Fail(Exception error, AlertLevel? level = null) => End(JobOutcome.Failure(error, level));

    public void Fail(string reason, AlertLevel? level = null) => End(JobOutcome.Failure(reason, level));

    public ValueTask FailAsync(Exception error, AlertLevel? level = null, CancellationToken cancellationToken = default) =>
        EndAsync(JobOutcome.Failure(error, level), cancellationToken);

    public ValueTask FailAsync(string reason, AlertLevel? level = null, CancellationToken cancellationToken = default) =>
        EndAsync(JobOutcome.Failure(reason, level), cancellationToken);

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _scope.Ended = true;
        if (State != JobState.Running)
            return;
        var cancelled = IsCancelledBy(_scope.LastException) && DisposeBehavior == DisposeBehavior.FailUnlessCompleted;
        Record.End(Entry, cancelled
            ? JobOutcome.Cancelled(Entry.Options.CancelledLevel, _scope.LastException, Entry.CancelRequestedBy)
            : JobOutcome.Disposed(DisposeBehavior, _scope.LastException));
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    public ValueTask EndWithAsync(Exception error, CancellationToken callersToken)
    {
        var asked = IsCancelledBy(error) || (error is OperationCanceledException && callersToken.IsCancellationRequested);
        Record.End(Entry, asked ? JobOutcome.Cancelled(Entry.Options.CancelledLevel, error, Entry.CancelRequestedBy) : JobOutcome.Failure(error));
        return ValueTask.CompletedTask;
    }

    public bool IsCancelledBy(Exception? error)
    {
        lock (Record.Gate)
            return Entry.CancelRequestedAt is not null || (error is OperationCanceledException && Entry.Options.StoppingToken.IsCancellationRequested);
    }

    private void End(JobOutcome outcome)
    {
        if (!Record.End(Entry, outcome))
            ObjectDisposedException.ThrowIf(_disposed, this);
    }

    private ValueTask EndAsync(JobOutcome outcome, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        End(outcome);
        return ValueTask.CompletedTask;
    }

    private void Skip()
    {
        lock (Record.Gate)
        {
            Record.Release(Entry);
            Entry.Skip();
        }
    }
}
