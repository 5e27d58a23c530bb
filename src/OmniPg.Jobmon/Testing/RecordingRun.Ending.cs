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
        var cancelled = _cancel.IsCancellationRequested && DisposeBehavior == DisposeBehavior.FailUnlessCompleted;
        TryEnd(cancelled
            ? JobOutcome.Cancelled(Entry.Options.CancelledLevel, _scope.LastException)
            : JobOutcome.Disposed(DisposeBehavior, _scope.LastException));
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends the run with what its body threw.</summary>
    public void EndWith(Exception error, CancellationToken callersToken)
    {
        var asked = _cancel.IsCancellationRequested || (error is OperationCanceledException && callersToken.IsCancellationRequested);
        TryEnd(asked ? JobOutcome.Cancelled(Entry.Options.CancelledLevel, error) : JobOutcome.Failure(error));
    }

    /// <summary>Ends an open run because its record goes away.</summary>
    public void Abandon() => TryEnd(JobOutcome.Failure("JobmonClient was disposed while the job was running"));

    /// <summary>Fires the token of the run; its callbacks have run on return.</summary>
    public CancelResult Cancel(string by)
    {
        lock (Record.Gate)
        {
            if (Entry.State != JobState.Running)
                return CancelResult.AlreadyFinished;
            Entry.RequestCancel(by);
        }

        _cancel.Cancel();
        return CancelResult.Requested;
    }

    private void End(JobOutcome outcome)
    {
        if (!TryEnd(outcome))
            ObjectDisposedException.ThrowIf(_disposed, this);
    }

    private ValueTask EndAsync(JobOutcome outcome, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        End(outcome);
        return ValueTask.CompletedTask;
    }

    private bool TryEnd(JobOutcome outcome)
    {
        lock (Record.Gate)
        {
            if (!Entry.End(outcome))
                return false;
            if (Entry.IsWorthRecording)
                Record.Release(this);
        }

        _scope.Ended = true;
        Release();
        return true;
    }

    private void Skip()
    {
        lock (Record.Gate)
        {
            Record.Release(this);
            Entry.Skip();
        }

        _scope.Ended = true;
    }

    private void Release()
    {
        Record.Holders.Release(this);
        _released.TrySetResult();
    }
}
