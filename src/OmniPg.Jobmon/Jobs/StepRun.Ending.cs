namespace OmniPg.Jobmon;

/// <content>Every way in which a step ends; the first one wins.</content>
internal sealed partial class StepRun
{
    public void Complete(string? message = null, string? status = null) =>
        SyncCall.Run(EndAsync(async: false, "Complete", AlertLevel.Ok, message, status, null));

    public void Warn(string message) => SyncCall.Run(EndAsync(async: false, "Warn", AlertLevel.Warning, Required(message), null, null));

    public void Fail(Exception error) => SyncCall.Run(EndAsync(async: false, "Fail", AlertLevel.Critical, null, null, Required(error)));

    public void Fail(string reason) => SyncCall.Run(EndAsync(async: false, "Fail", AlertLevel.Critical, RequiredText(reason), null, null));

    public ValueTask CompleteAsync(string? message = null, string? status = null, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Complete", AlertLevel.Ok, message, status, null, cancellationToken: cancellationToken);

    public ValueTask WarnAsync(string message, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Warn", AlertLevel.Warning, Required(message), null, null, cancellationToken: cancellationToken);

    public ValueTask FailAsync(Exception error, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Fail", AlertLevel.Critical, null, null, Required(error), cancellationToken: cancellationToken);

    public ValueTask FailAsync(string reason, CancellationToken cancellationToken = default) =>
        EndAsync(async: true, "Fail", AlertLevel.Critical, RequiredText(reason), null, null, cancellationToken: cancellationToken);

    public void Dispose() => SyncCall.Run(DisposeAsync(async: false));

    public ValueTask DisposeAsync() => DisposeAsync(async: true);

    /// <summary>Ends the step in the same batch as its job.</summary>
    public LogEvent EndWithJob(AlertLevel level, string? reason, Exception? error)
    {
        Interlocked.Exchange(ref _ended, 1);
        _scope.Ended = true;
        JobmonTelemetry.EndActivity(_activity, _job.JobId, level, error);
        return EndEvent(level, reason ?? Joined(JobEndedEvent.OpenStepMessage, LastText()), null, error);
    }

    /// <summary>Ends the step with rows counted by the server.</summary>
    public ValueTask EndSqlAsync(long rows) =>
        EndAsync(async: true, "Complete", AlertLevel.Ok, string.Create(null, $"Rows affected: {rows}"), null, null, rows: rows);

    /// <summary>The caller never gets this handle: nothing else could end it.</summary>
    private void GiveUp(Exception error)
    {
        Volatile.Write(ref _ended, 1);
        _scope.Ended = true;
        _job.Steps.Ended(this, null);
        JobmonTelemetry.EndActivity(_activity, _job.JobId, AlertLevel.Critical, error);
    }

    private ValueTask DisposeAsync(bool async)
    {
        if (_disposed)
            return ValueTask.CompletedTask;
        _disposed = true;
        _scope.Ended = true;
        JobmonTelemetry.Leave(_activity);
        if (Volatile.Read(ref _ended) != 0)
            return ValueTask.CompletedTask;
        // The last exception of this flow, not the one that is on its way now: a dispose cannot see that.
        if (_job.DisposeBehavior == DisposeBehavior.CompleteUnlessFailed)
            return EndAsync(async, "Dispose", AlertLevel.Ok, null, null, null, mayThrow: false);
        return _job.IsCancelledBy(_scope.LastException)
            ? EndAsync(async, "Dispose", _job.Options.CancelledLevel, JobOutcome.CancelledText(_job.CancelledBy), null, _scope.LastException, mayThrow: false)
            : EndAsync(async, "Dispose", AlertLevel.Critical, _scope.LastException is null ? "Disposed without Complete()" : null, null,
                _scope.LastException, mayThrow: false);
    }

    private ValueTask EndAsync(
        bool async, string operation, AlertLevel level, string? message, string? status, Exception? error, bool mayThrow = true, long? rows = null,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        JobmonTelemetry.Leave(_activity);
        return EndCoreAsync(async, operation, level, message, status, error, mayThrow, rows);
    }

    private async ValueTask EndCoreAsync(
        bool async, string operation, AlertLevel level, string? message, string? status, Exception? error, bool mayThrow, long? rows)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0)
        {
            ObjectDisposedException.ThrowIf(_disposed && mayThrow, this);
            JobmonLog.EndedTwice(_job.Runtime.Logger, operation, $"{_job.Name}: {Action}", _job.JobId, _job.State);
            return;
        }

        _scope.Ended = true;
        _job.Steps.Ended(this, Row.Lost ? null : error);
        var text = message ?? (error is null ? LastText() : ErrorDocument.Message(error));
        await WriteAsync(async, [EndEvent(level, text, status, error, rows)], mayThrow).ConfigureAwait(false);
        JobmonTelemetry.EndActivity(_activity, _job.JobId, level, error);
    }

    private string? LastText() => Cell.Last()?.ToText();

    private StepEndedEvent EndEvent(AlertLevel level, string? message, string? status, Exception? error, long? rows = null) =>
        new(Row, _job.Runtime.Writer.Mark(), level)
        {
            Message = message,
            Status = status,
            Progress = Cell.Last(),
            RowsAffected = rows,
            Error = error,
            ErrorJson = error is null ? null : ErrorDocument.Json(error, null, _job.Runtime.Texts),
        };

    private static string Joined(string first, string? second) => second is null ? first : $"{first}\n{second}";

    private static string RequiredText(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return reason;
    }

    private static T Required<T>(T value, [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(value))] string? name = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(value, name);
        return value;
    }
}
