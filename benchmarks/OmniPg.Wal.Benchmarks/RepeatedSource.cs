using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal.Benchmarks;

/// <summary>One file read several times over: a longer source of the same kind of bytes.</summary>
internal sealed class RepeatedSource(SafeFileHandle file, int repeats) : ICopySource
{
    private readonly long _fileBytes = RandomAccess.GetLength(file);
    private long _position;

    public long? Length => _fileBytes * repeats;

    public DateTimeOffset? Modified => null;

    public ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        if (_position == Length)
            return new ValueTask<int>(0);
        var count = RandomAccess.Read(file, target.Span, _position % _fileBytes);
        _position += count;
        return new ValueTask<int>(count);
    }

    public void VerifyUnchanged(long bytesRead)
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
