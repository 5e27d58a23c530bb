namespace OmniPg.Wal;

/// <summary>Carries buffers to one store. It fails alone: its queue then swallows what comes, and the other targets go on.</summary>
internal sealed class TargetWriter : IAsyncDisposable
{
    // How much a store is given at once: an optional target has its grace for each piece.
    private const int PieceBytes = 1 << 20;
    private static readonly TimeSpan CleaningTime = TimeSpan.FromMilliseconds(500);
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly CancellationTokenSource _stop;
    private readonly CancellationTokenSource _timeout;
    private readonly TaskCompletionSource _abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration _onTimeout;
    private readonly CancellationTokenRegistration _onCancel;
    private IObjectWriter? _writer;
    private Task _work = Task.CompletedTask;
    private ObjectCommitResult? _outcome;
    private TimeSpan? _elapsed;
    private long _busySince;

    public TargetWriter(CopyTarget target, int queueCapacity, TimeProvider time, CancellationToken cancellationToken)
    {
        Target = target;
        Queue = new BufferQueue(queueCapacity);
        _time = time;
        _started = time.GetTimestamp();
        _timeout = new CancellationTokenSource(target.Timeout, time);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _timeout.Token);
        _onTimeout = _timeout.Token.Register(() => Abandon(TimedOut()));
        _onCancel = cancellationToken.Register(() => Abandon(new OperationCanceledException(cancellationToken)));
    }

    public CopyTarget Target { get; }

    public BufferQueue Queue { get; }

    public Exception? Error { get; private set; }

    public long StoredBytes { get; private set; }

    /// <summary>Of what was written; set by whoever encodes.</summary>
    public string StoredSha256 { get; set; } = "";

    /// <summary>Ends when all bytes are written or the target has failed.</summary>
    public Task Written => Task.WhenAny(_work, _abandoned.Task);

    public bool IsLive => Error is null;

    public TargetOutcome Outcome => new(Target, _outcome, StoredBytes, StoredSha256, _elapsed ?? _time.GetElapsedTime(_started), Error);

    public void Start(ObjectInfo info) => _work = Task.Run(() => WriteAsync(info));

    /// <summary>Gives the target up at once, even while a call into its store hangs.</summary>
    public void Abandon(Exception error)
    {
        Error ??= error;
        Queue.Close();
        _abandoned.TrySetResult();
    }

    /// <summary>Gives the target its time anew, less what it has taken beside the time that its source was held back.</summary>
    /// <param name="heldBack">How long that was in all.</param>
    public void Allow(TimeSpan heldBack)
    {
        if (Target.Timeout == Timeout.InfiniteTimeSpan)
            return;
        var left = Target.Timeout + heldBack - _time.GetElapsedTime(_started);
        _timeout.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
    }

    /// <summary>Publishes what was written.</summary>
    public async Task CommitAsync(ObjectContent content)
    {
        if (!IsLive || _writer is null)
            return;
        // A directory's commit is two flushes that block. On the pool they would keep another file's encoder from its processor meanwhile, and the
        // flushes of several destinations would wait for each other.
        _work = OwnThread.RunAsync(() => PublishAsync(_writer, content with { StoredBytes = StoredBytes, StoredSha256 = StoredSha256 })).Unwrap();
        if (Target.Grace is { } grace)
        {
            await Task.WhenAny(Written, Task.Delay(grace, _time)).ConfigureAwait(false);
            if (!_work.IsCompleted)
                Abandon(WalDestinationException.TooSlow(Target.Id, Target.Key, grace));
        }

        await Written.ConfigureAwait(false);
    }

    /// <summary>Called once per grace time: gives up an optional target that had work all the time and did none of it.</summary>
    public void CheckProgress()
    {
        // Not by what is queued: it may be the last buffer that hangs.
        var since = Interlocked.Read(ref _busySince);
        if (Target.Grace is { } grace && IsLive && since != 0 && _time.GetElapsedTime(since) >= grace)
            Abandon(WalDestinationException.TooSlow(Target.Id, Target.Key, grace));
    }

    /// <summary>Removes what was not published. A store call that hangs is left behind; it cleans up when it returns.</summary>
    public async ValueTask DisposeAsync()
    {
        Queue.Close();
        await _stop.CancelAsync().ConfigureAwait(false);
        // Elsewhere: closing a file blocks for as long as its mount hangs.
        var cleaning = Task.Run(CleanAsync);
        long before;
        do
        {
            before = Interlocked.Read(ref _busySince);
            await Task.WhenAny(cleaning, Task.Delay(CleaningTime, TimeProvider.System)).ConfigureAwait(false);
        }
        // A machine that is slow to come to it leaves nothing behind; only a store that has not answered the same call all this time does.
        while (!cleaning.IsCompleted && (Interlocked.Read(ref _busySince) is var now && (now == 0 || now != before)));
    }

    private async Task WriteAsync(ObjectInfo info)
    {
        try
        {
            Interlocked.Exchange(ref _busySince, _time.GetTimestamp());
            _writer = await Target.Sink.CreateAsync(Target.Key, info, _stop.Token).ConfigureAwait(false);
            Interlocked.Exchange(ref _busySince, 0);
            while (await Queue.DequeueAsync().ConfigureAwait(false) is { } buffer)
            {
                try
                {
                    for (var rest = buffer.Filled; !rest.IsEmpty;)
                    {
                        _stop.Token.ThrowIfCancellationRequested();
                        var piece = rest[..Math.Min(rest.Length, PieceBytes)];
                        Interlocked.Exchange(ref _busySince, _time.GetTimestamp());
                        await _writer.WriteAsync(piece, _stop.Token).ConfigureAwait(false);
                        Interlocked.Exchange(ref _busySince, 0);
                        StoredBytes += piece.Length;
                        rest = rest[piece.Length..];
                    }
                }
                finally
                {
                    buffer.Release();
                }
            }
        }
        catch (Exception error)
        {
            // Whatever the store threw is this target's result; the copy reports all of them together.
            Abandon(_timeout.IsCancellationRequested ? TimedOut() : error);
        }
        finally
        {
            Interlocked.Exchange(ref _busySince, 0);
        }
    }

    private async Task PublishAsync(IObjectWriter writer, ObjectContent content)
    {
        Interlocked.Exchange(ref _busySince, _time.GetTimestamp());
        try
        {
            if (Target.BeforeCommit is { } beforeCommit)
                await beforeCommit(_stop.Token).ConfigureAwait(false);
            _outcome = await writer.CommitAsync(content, _stop.Token).ConfigureAwait(false);
            _elapsed = _time.GetElapsedTime(_started);
        }
        catch (Exception error)
        {
            Abandon(_timeout.IsCancellationRequested ? TimedOut() : error);
        }
        finally
        {
            Interlocked.Exchange(ref _busySince, 0);
        }
    }

    private WalDestinationException TimedOut() => WalDestinationException.TimedOut(Target.Id, Target.Key, Target.Timeout);

    private async Task CleanAsync()
    {
        await _onTimeout.DisposeAsync().ConfigureAwait(false);
        await _onCancel.DisposeAsync().ConfigureAwait(false);
        await _work.ConfigureAwait(false);
        Interlocked.Exchange(ref _busySince, _time.GetTimestamp());
        if (_writer is not null)
            await _writer.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
        _timeout.Dispose();
    }
}

/// <summary>What became of one target.</summary>
internal sealed record TargetOutcome(CopyTarget Target, ObjectCommitResult? Commit, long StoredBytes, string StoredSha256, TimeSpan Elapsed, Exception? Error);
