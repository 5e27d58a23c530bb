namespace OmniPg.Wal.Copying;

/// <summary>Gives each buffer to several queues at once.</summary>
internal sealed class FanOut(IReadOnlyList<BufferQueue> queues)
{
    public void Publish(CopyBuffer buffer)
    {
        // One reader more than there are queues: a buffer that nobody takes goes home as well.
        buffer.SetReaders(queues.Count + 1);
        foreach (var queue in queues)
            queue.Enqueue(buffer);
        buffer.Release();
    }

    public void Complete()
    {
        foreach (var queue in queues)
            queue.Complete();
    }
}
