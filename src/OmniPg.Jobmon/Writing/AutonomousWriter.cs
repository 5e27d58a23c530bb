using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>Decides what happens to an event: written now, written later in order, or given up. Every wait is bounded by the options' timeouts.</summary>
/// <remarks>
/// Events that pile up behind one write go out together in the next batch. Every event passes through these methods and those of the
/// sender, and each of their results is awaited once, at once: that is why their state is pooled.
/// </remarks>
internal sealed class AutonomousWriter
{
    // One run whose writer is stuck, say in a starved thread pool, must not keep the progress of all others from being seen.
    private static readonly TimeSpan BackgroundPatience = TimeSpan.FromMilliseconds(500);

    private readonly ConcurrentDictionary<JobRow, byte> _pending = new();
    private readonly IEventSink _sink;
    private readonly SpoolFile? _spool;
    private readonly ServerClock _clock;
    private readonly JobmonOptions _options;
    private readonly ILogger _logger;
    private readonly Circuit _circuit;
    private readonly ErrorThrottle _throttle;

    /// <summary>Writes to a sink; without a spool, what has to wait does not outlive this process.</summary>
    public AutonomousWriter(IEventSink sink, SpoolFile? spool, ServerClock clock, JobmonOptions options, TimeProvider time, ILogger logger)
    {
        (_sink, _spool, _clock, _options, _logger) = (sink, spool, clock, options, logger);
        (_circuit, _throttle) = (new Circuit(time), new ErrorThrottle(time));
    }

    /// <summary>Raised when events have to wait: somebody is to call <see cref="Replay"/>.</summary>
    public event Action? Waiting;

    /// <summary>What kept events from being written last; null for nothing so far.</summary>
    public string? LastTrouble { get; private set; }

    public bool IsAway => _circuit.IsOpen;

    public bool HasBacklog => !_pending.IsEmpty;

    public TimeSpan UntilRetry => _circuit.Remaining;

    public long Mark() => _clock.Mark();

    /// <summary>Writes now, or keeps the events for the background. It may not throw where that would hide the caller's own exception, as in dispose.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteAsync(bool async, JobRow job, IReadOnlyList<LogEvent> events, bool mayThrow)
    {
        if (_sink.Log is null)
            return;
        FlowScope.StepAside();
        var throws = mayThrow && _options.ErrorPolicy == ErrorPolicy.Throw;
        foreach (var e in events)
        {
            e.Withheld = job.Withheld;
            Dropped(job.Journal.Add(e, _options.MaxBufferedEvents), "buffer full");
        }

        if (job.Withheld)
            return;
        // Who wants to be told has to try; all others are spared the wait.
        if (_circuit.IsOpen && !throws)
        {
            Postpone(job);
            return;
        }

        // Without a token: an end that is cancelled halfway would be neither written nor kept.
        var (away, error) = await TryDrainAsync(async, job, CancellationToken.None).ConfigureAwait(false);
        var failed = throws ? Withdraw(job, events, away ? error : null) : null;
        if (away && job.Journal.Count > 0)
            Postpone(job);
        if (failed is not null)
            throw await _sink.ExplainAsync(async, failed.Refusal!, failed.Operation).ConfigureAwait(false);
    }

    /// <summary>Sends the waiting events of one run, and keeps those that the server cannot take now; returns what stopped it.</summary>
    public async ValueTask<Exception?> DrainAsync(bool async, JobRow job, CancellationToken cancellationToken)
    {
        FlowScope.StepAside();
        var (away, error) = await TryDrainAsync(async, job, cancellationToken).ConfigureAwait(false);
        if (away)
            Postpone(job);
        return error;
    }

    /// <summary>Sends the waiting events of one run.</summary>
    /// <returns>Whether the server is away, so that the rest could not be sent; and what went wrong first.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<(bool Away, Exception? Error)> TryDrainAsync(bool async, JobRow job, CancellationToken cancellationToken)
    {
        var gate = job.Journal.Gate;
        if (async)
            await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        else
            gate.Wait(cancellationToken);
        try
        {
            // Whoever has the gate sends for all who wait for it: they find nothing left to do.
            return await DrainInOrderAsync(async, job).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// Sends something that is not worth keeping, such as progress; returns whether the server has it. It is made once no other event of the run can be
    /// written, so that it is not older than one that is; null for nothing to send.
    /// </summary>
    public async ValueTask<bool> TrySendAsync(bool async, JobRow job, Func<LogEvent?> make)
    {
        if (_sink.Log is null)
            return true;
        FlowScope.StepAside();
        if (_circuit.IsOpen)
            return false;
        var gate = job.Journal.Gate;
        if (async)
            await gate.WaitAsync().ConfigureAwait(false);
        else if (!gate.Wait(BackgroundPatience))
            return false;
        try
        {
            if (make() is not { } transient)
                return true;
            if (!transient.IsReady || transient.IsPointless)
                return false;
            var (failure, error) = await _sink.SendAsync(async, [transient]).ConfigureAwait(false);
            if (failure is WriteFailure.Broken or WriteFailure.Unavailable)
                OpenCircuit(transient.Operation, error!);
            return failure is null;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Tries every waiting run once; for the background.</summary>
    public void Replay()
    {
        // A statement that is worth nothing goes ahead: the backlog is not sent to a standby or into a dead network.
        if (_circuit.IsOpen && !_sink.Probe())
        {
            _circuit.Open();
            return;
        }

        foreach (var (job, _) in _pending)
        {
            if (SyncCall.Run(DrainAsync(async: false, job, CancellationToken.None)) is not null && _circuit.IsOpen)
                return;
            if (job.Journal.Count > 0)
                continue;
            // Looked at again after the removal: an event that arrived in between has found its run still pending.
            _pending.TryRemove(job, out _);
            if (job.Journal.Count > 0)
                _pending[job] = 0;
        }

        _spool?.Clear(() => _pending.IsEmpty);
    }

    /// <summary>Events that wait, of all runs.</summary>
    public IEnumerable<LogEvent> Backlogged() => _pending.Keys.SelectMany(job => job.Journal.Snapshot());

    /// <summary>Makes what waits in the spool file survive a crash of the machine, too.</summary>
    public void SyncSpool() => _spool?.Sync();

    /// <summary>Says what the end of this client leaves unwritten: in the spool file for the next process that finds it, or lost.</summary>
    public void Leave()
    {
        var waiting = Backlogged().ToList();
        _spool?.Clear(() => waiting.Count == 0);
        _spool?.Dispose();
        var spooled = waiting.Count(e => e.Spooled);
        if (spooled > 0)
            JobmonLog.SpoolLeft(_logger, spooled, _spool!.Path);
        if (waiting.Count > spooled)
            JobmonLog.EventsLost(_logger, waiting.Count - spooled, LastTrouble ?? "they came after the last write.");
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(bool Away, Exception? Error)> DrainInOrderAsync(bool async, JobRow job)
    {
        Exception? refused = null;
        var limit = JobJournal.MaxBatch;
        while (true)
        {
            Dropped(job.Journal.RemovePointless(), "row missing");
            var batch = job.Journal.NextBatch(limit);
            if (batch.Count == 0)
                return (false, refused);
            var (failure, error) = await _sink.SendAsync(async, batch).ConfigureAwait(false);
            switch (failure)
            {
                case null:
                    _circuit.Close();
                    foreach (var e in batch)
                    {
                        refused ??= e.Refusal;
                        Settle(job, e);
                    }

                    break;
                case WriteFailure.Refused or WriteFailure.Encoding when batch.Count > 1:
                    // One by one from here, so that the bad event alone is given up.
                    limit = 1;
                    break;
                case WriteFailure.Refused or WriteFailure.Encoding:
                    refused ??= error;
                    batch[0].Refusal = error;
                    Settle(job, batch[0]);
                    break;
                default:
                    OpenCircuit(batch[0].Operation, error!);
                    return (true, error);
            }
        }
    }

    /// <summary>The server has answered: nothing more is to be done for this event.</summary>
    private void Settle(JobRow job, LogEvent e)
    {
        job.Journal.Remove(e);
        if (e.Refusal is not { } refusal)
            return;
        e.Abandon();
        Dropped(1, "refused");
        JobmonLog.EventRefused(_logger, e.Operation, job.Name, refusal.Message, refusal);
    }

    /// <summary>The first event of a caller that was not written, with its reason; null when all were.</summary>
    /// <remarks>
    /// A batch may hold events of several callers, and another caller's drain may have sent these: only what happened to these counts.
    /// </remarks>
    private static LogEvent? Withdraw(JobRow job, IReadOnlyList<LogEvent> events, Exception? unavailable)
    {
        foreach (var e in events)
        {
            // The caller learns of it now: written later as well it would record what he may have undone meanwhile.
            if (unavailable is null || !job.Journal.Remove(e))
                continue;
            e.Refusal = unavailable;
            e.Abandon();
        }

        return events.FirstOrDefault(e => e.Refusal is not null);
    }

    private void Postpone(JobRow job)
    {
        var waiting = job.Journal.Snapshot();
        waiting.ForEach(static e => e.Late = true);
        _pending[job] = 0;
        _spool?.Keep(waiting);
        Waiting?.Invoke();
    }

    private void OpenCircuit(string operation, Exception error)
    {
        _circuit.Open();
        Waiting?.Invoke();
        LastTrouble = error.Message;
        var cause = error is PostgresException refusal ? refusal.SqlState : error.GetType().Name;
        if (_throttle.MayLog(cause))
            JobmonLog.LogUnavailable(_logger, _sink.Name, operation, cause, error.Message, error);
    }

    private static void Dropped(int count, string reason)
    {
        if (count > 0)
            JobmonTelemetry.Dropped(count, reason);
    }
}

/// <summary>Spares callers the wait for a server that is away: after one failure only the background tries, ever less often.</summary>
internal sealed class Circuit(TimeProvider time)
{
    private readonly Lock _lock = new();
    private BackOff _backOff;
    private long _openedAt;
    private volatile bool _isOpen;

    public bool IsOpen => _isOpen;

    /// <summary>Time until the next try; zero when due.</summary>
    public TimeSpan Remaining
    {
        get
        {
            lock (_lock)
            {
                var left = _backOff.Pause - time.GetElapsedTime(_openedAt);
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>A try failed: fail fast from now on.</summary>
    public void Open()
    {
        lock (_lock)
        {
            // Before the pause is over nobody tries on purpose: this one had set out before the first failure, and says nothing new.
            if (_isOpen && time.GetElapsedTime(_openedAt) < _backOff.Pause)
                return;
            _backOff.Next();
            _openedAt = time.GetTimestamp();
            _isOpen = true;
        }
    }

    /// <summary>A try succeeded.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isOpen = false;
            _backOff.Reset();
        }
    }
}
