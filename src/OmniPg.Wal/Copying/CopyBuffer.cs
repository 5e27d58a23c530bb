namespace OmniPg.Wal;

/// <summary>A block of memory that several stages read at once; it goes home when the last of them lets go.</summary>
/// <param name="home">Where it goes home to.</param>
/// <param name="bytes">Its memory; pinned, so that neither file reads nor native codecs have to pin it call by call.</param>
internal sealed class CopyBuffer(BufferPool home, Memory<byte> bytes)
{
    private int _readers;

    public int Length { get; set; }

    public int Room => bytes.Length - Length;

    public Memory<byte> Free => bytes[Length..];

    public ReadOnlyMemory<byte> Filled => bytes[..Length];

    /// <summary>Sets how many stages will call <see cref="Release"/>.</summary>
    public void SetReaders(int count) => Volatile.Write(ref _readers, count);

    public void Release()
    {
        if (Interlocked.Decrement(ref _readers) == 0)
            home.Return(this);
    }
}
