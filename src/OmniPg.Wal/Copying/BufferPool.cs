namespace OmniPg.Wal;

/// <summary>A fixed number of buffers. That number is the only bound a pipeline needs: when all are under way, its first stage waits.</summary>
internal sealed class BufferPool
{
    public const int BufferBytes = 256 * 1024;
    private readonly BufferQueue _free;

    public BufferPool(int count)
        : this([.. Enumerable.Range(0, count).Select(static _ => (Memory<byte>)GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true))])
    {
    }

    public BufferPool(params ReadOnlySpan<Memory<byte>> buffers)
    {
        _free = new BufferQueue(buffers.Length);
        Capacity = buffers.Length;
        foreach (var bytes in buffers)
            _free.Enqueue(new CopyBuffer(this, bytes));
    }

    public int Capacity { get; }

    /// <summary>Whether every buffer is at home, so that the pool can serve another copy.</summary>
    public bool IsWhole => _free.Count == Capacity;

    /// <summary>Waits for a buffer; null when the copy was stopped meanwhile.</summary>
    public ValueTask<CopyBuffer?> RentAsync() => _free.DequeueAsync();

    public void Return(CopyBuffer buffer)
    {
        buffer.Length = 0;
        _free.Enqueue(buffer);
    }

    /// <summary>Wakes whoever waits for a buffer, with null.</summary>
    public void Stop() => _free.Complete();
}
