namespace OmniPg.Wal;

/// <summary>Gives each buffer to several queues at once.</summary>
internal sealed class FanOut(IEnumerable<BufferQueue> to)
{
    // An array, because enumerating an interface would allocate for every buffer.
    private readonly BufferQueue[] _queues = [.. to];

    public void Publish(CopyBuffer buffer)
    {
        // One reader more than there are queues: a buffer that nobody takes goes home as well.
        buffer.SetReaders(_queues.Length + 1);
        foreach (var queue in _queues)
            queue.Enqueue(buffer);
        buffer.Release();
    }

    public void Complete()
    {
        foreach (var queue in _queues)
            queue.Complete();
    }
}
