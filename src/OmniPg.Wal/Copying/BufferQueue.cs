using System.Threading.Tasks.Sources;

namespace OmniPg.Wal;

/// <summary>Buffers on their way from stage to stage: any number of writers, one reader, no allocation per buffer.</summary>
/// <remarks>
/// Never full, because there are no more buffers than places. A waiting reader is continued on a pool thread, and the queue itself is that work
/// item: this is what the channels of the base class library cannot do without allocating.
/// </remarks>
internal sealed class BufferQueue(int capacity) : IValueTaskSource<CopyBuffer?>, IThreadPoolWorkItem
{
    private readonly CopyBuffer?[] _ring = new CopyBuffer?[capacity];
    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<CopyBuffer?> _wait;
    private CopyBuffer? _handedOver;
    private int _head;
    private int _count;
    private bool _completed;
    private bool _closed;
    private bool _waiting;

    public int Count
    {
        get
        {
            lock (_lock)
                return _count;
        }
    }

    /// <summary>Waits for the next buffer; null when the writer has completed the queue.</summary>
    public ValueTask<CopyBuffer?> DequeueAsync()
    {
        lock (_lock)
        {
            if (_count > 0)
                return new ValueTask<CopyBuffer?>(Take());
            if (_completed)
                return default;
            _waiting = true;
            _wait.Reset();
            return new ValueTask<CopyBuffer?>(this, _wait.Version);
        }
    }

    public void Enqueue(CopyBuffer buffer)
    {
        bool closed;
        lock (_lock)
        {
            closed = _closed;
            if (!closed && !_waiting)
            {
                _ring[(_head + _count++) % _ring.Length] = buffer;
                return;
            }

            if (!closed)
                HandOver(buffer);
        }

        if (closed)
            buffer.Release();
        else
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>No more buffers will come.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _completed = true;
            if (!_waiting)
                return;
            HandOver(null);
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>The reader has given up: lets go of everything here and of everything that still comes.</summary>
    public void Close()
    {
        while (true)
        {
            CopyBuffer buffer;
            lock (_lock)
            {
                _closed = true;
                _completed = true;
                if (_count == 0)
                    break;
                buffer = Take();
            }

            buffer.Release();
        }

        Complete();
    }

    CopyBuffer? IValueTaskSource<CopyBuffer?>.GetResult(short token) => _wait.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<CopyBuffer?>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<CopyBuffer?>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wait.OnCompleted(continuation, state, token, flags);

    void IThreadPoolWorkItem.Execute() => _wait.SetResult(_handedOver);

    private void HandOver(CopyBuffer? buffer)
    {
        _waiting = false;
        _handedOver = buffer;
    }

    private CopyBuffer Take()
    {
        var buffer = _ring[_head]!;
        _ring[_head] = null;
        _head = (_head + 1) % _ring.Length;
        _count--;
        return buffer;
    }
}
