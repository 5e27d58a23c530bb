using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>What a codec writes into: gathers its output in pooled buffers and gives each full one to the branch's targets.</summary>
internal sealed class BranchOutput(BufferPool pool, FanOut targets, IncrementalHash? sha256) : Stream
{
    private CopyBuffer? _current;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            _current ??= await pool.RentAsync().ConfigureAwait(false) ?? throw new OperationCanceledException();
            var count = Math.Min(buffer.Length, _current.Room);
            buffer[..count].CopyTo(_current.Free);
            _current.Length += count;
            buffer = buffer[count..];
            if (_current.Room == 0)
                PassOn();
        }
    }

    /// <summary>Gives the last, partly filled buffer on.</summary>
    public void PassOn()
    {
        if (_current is not { } buffer)
            return;
        _current = null;
        sha256?.AppendData(buffer.Filled.Span);
        targets.Publish(buffer);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("The pump writes asynchronously.");

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
