namespace OmniPg.Jobmon;

/// <summary>How others end a run: a request to cancel it, or the loss of its single-instance lock, fires the token of the job.</summary>
#pragma warning disable CA1001 // Never disposed: the caller may keep the token longer than the job, and a source without a timer holds nothing.
internal sealed class RunControl
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _cancel = new();
    private readonly ILogger _logger;
    private readonly JobOptions _options;
    private readonly CancellationTokenRegistration _stopping;
    private volatile bool _asked;

    public RunControl(JobRow row, JobOptions options, ILogger logger)
    {
        (Row, _options, _logger) = (row, options, logger);
        _stopping = options.StoppingToken.UnsafeRegister(static control => ((RunControl)control!).CancelOffThread(), this);
    }

    public JobRow Row { get; }

    public CancellationToken Token => _cancel.Token;

    /// <summary>Who asked, and why; null where nobody did or it is not recorded.</summary>
    public string? CancelledBy { get; private set; }

    /// <summary>
    /// Whether what ends by this exception was cancelled: somebody asked for it, or the host stops. An exception of another kind has come
    /// meanwhile by itself.
    /// </summary>
    public bool IsCancelledBy(Exception? error) => _asked || (error is OperationCanceledException && _options.StoppingToken.IsCancellationRequested);

    /// <summary>Whether somebody asked to end this run, in contrast to a host that stops.</summary>
    public bool IsCancelled => _asked;

    /// <summary>How the run, or a step of it, ends that was cancelled.</summary>
    public JobOutcome Cancelled(Exception? error) => JobOutcome.Cancelled(_options.CancelledLevel, error, CancelledBy);

    /// <summary>How the run, or a step of it, ends that is disposed open.</summary>
    /// <param name="byDefault">What the run's own options do not say otherwise.</param>
    /// <param name="thrown">The last exception of its flow, not the one that is on its way now: a dispose cannot see that.</param>
    public JobOutcome Disposed(DisposeBehavior byDefault, Exception? thrown)
    {
        var behavior = _options.DisposeBehavior ?? byDefault;
        return behavior == DisposeBehavior.FailUnlessCompleted && IsCancelledBy(thrown) ? Cancelled(thrown) : JobOutcome.Disposed(behavior, thrown);
    }

    /// <summary>The run is over: the host's token, which lives longer, forgets it.</summary>
    public void Leave() => _stopping.Unregister();

    /// <summary>Somebody asked for cancellation.</summary>
    /// <param name="by">Who, and why.</param>
    /// <param name="atOnce">Whether the callbacks of the token have run on return.</param>
    public void OnCancelRequested(string? by, bool atOnce = false)
    {
        if (_asked)
            return;
        CancelledBy = by;
        _asked = true;
        JobmonLog.CancelRequested(_logger, Row.Name, Row.JobId);
        if (atOnce)
            _cancel.Cancel();
        else
            CancelOffThread();
    }

    /// <summary>Another process took the single-instance lock while the connection was away.</summary>
    public void OnInstanceLockLost()
    {
        _asked = true;
        JobmonLog.InstanceLockLost(_logger, Row.Name, Row.JobId);
        CancelOffThread();
    }

    // Callbacks of the token are the user's code: they must not run on the thread that keeps this process alive for others.
    private void CancelOffThread() => _ = _cancel.CancelAsync().ContinueWith(
        static (cancelled, log) => JobmonLog.BackgroundFailed((ILogger)log!, cancelled.Exception!.InnerException!.Message, cancelled.Exception),
        _logger, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
