namespace OmniPg.Wal;

/// <summary>A block of memory that several stages read at once; it goes home when the last of them lets go.</summary>
internal sealed class CopyBuffer(BufferPool home, int size)
{
    // Pinned, so that neither file reads nor native codecs have to pin it call by call.
    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(size, pinned: true);
    private int _readers;

    public int Length { get; set; }

    public int Room => _bytes.Length - Length;

    public Memory<byte> Free => _bytes.AsMemory(Length);

    public ReadOnlyMemory<byte> Filled => _bytes.AsMemory(0, Length);

    /// <summary>Sets how many stages will call <see cref="Release"/>.</summary>
    public void SetReaders(int count) => Volatile.Write(ref _readers, count);

    public void Release()
    {
        if (Interlocked.Decrement(ref _readers) == 0)
            home.Return(this);
    }
}
