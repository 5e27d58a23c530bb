namespace OmniPg.Jobmon;

/// <content>Steps, and their progress as the background sees it.</content>
internal sealed partial class JobRun
{
    private readonly Lock _stepLock = new();
    private readonly List<StepRun> _openSteps = [];
    private int _ordinal;
    private Exception? _recordedError;

    public IStep Step(string action) => SyncCall.Run(NewStep(action, null).BeginAsync(async: false));

    public ValueTask<IStep> StepAsync(string action, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return NewStep(action, null).BeginAsync(async: true);
    }

    public Task<T> StepAsync<T>(string action, Func<IStep, CancellationToken, Task<T>> body, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        cancellationToken.ThrowIfCancellationRequested();
        return NewStep(action, null).RunAsync(body, cancellationToken);
    }

    /// <summary>Creates the handle without any I/O and makes it the current scope of the caller's flow.</summary>
    public StepRun NewStep(string action, StepRun? parent)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(action);
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (State != JobState.Running)
            throw new InvalidOperationException($"Job '{Name}' has ended as '{State}'; a step cannot be added.");
        var step = new StepRun(this, parent, Interlocked.Increment(ref _ordinal), action);
        lock (_stepLock)
            _openSteps.Add(step);
        return step;
    }

    /// <summary>A step ended; its exception need not be recorded again when it ends the job, too.</summary>
    public void OnStepEnded(StepRun step, Exception? error)
    {
        lock (_stepLock)
        {
            _openSteps.Remove(step);
            _recordedError = error ?? _recordedError;
        }
    }

    public bool FlushProgress() => ReleaseIfLong() && SyncCall.Run(FlushProgressAsync(async: false)) && SyncCall.Run(FlushLinesAsync(async: false));

    public async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (await ReleaseAsync(async: true, cancellationToken).ConfigureAwait(false) is { } error)
            throw await Writer.ExplainAsync(async: true, error, "flush").ConfigureAwait(false);
        if (!await FlushProgressAsync(async: true).ConfigureAwait(false) || !await FlushLinesAsync(async: true).ConfigureAwait(false))
            throw new JobmonUnavailableException("progress", _runtime.Connections.ServerName, "the write failed.");
    }

    private async ValueTask<bool> FlushProgressAsync(bool async)
    {
        if (JobId is null)
            return true;
        List<(StepRow, StepProgress)>? moved = null;
        List<StepRun>? steps = null;
        lock (_stepLock)
        {
            foreach (var step in _openSteps)
            {
                if (step.Row.StepId is null || !step.Cell.TakeChange())
                    continue;
                (moved ??= []).Add((step.Row, step.Cell.Read()));
                (steps ??= []).Add(step);
            }
        }

        if (moved is null || await Writer.TrySendAsync(async, Row, new ProgressEvent(Row, Writer.Mark(), moved)).ConfigureAwait(false))
            return true;
        steps!.ForEach(step => step.Cell.PutBack());
        return false;
    }
}
