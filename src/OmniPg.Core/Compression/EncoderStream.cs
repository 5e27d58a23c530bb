using System.Buffers;
using System.Runtime.CompilerServices;

namespace OmniPg;

/// <summary>What an encoder has to bring to its end in one call.</summary>
internal enum EncoderOperation
{
    Continue,
    Flush,
    End,
}

/// <summary>Write-only stream around a step-wise encoder: one rented output buffer, nothing allocated per write.</summary>
/// <remarks>After a failed write the frame is not ended on dispose: what reached the sink stays recognisably truncated.</remarks>
internal abstract class EncoderStream(Stream sink, bool leaveOpen, int outputSize) : WriteOnlyStream
{
    private byte[]? _output = ArrayPool<byte>.Shared.Rent(outputSize);
    private bool _faulted;

    public sealed override bool CanWrite => _output is not null;

    /// <summary>Takes some input and yields some output.</summary>
    /// <returns>Whether the operation is complete: all input taken and, for flush and end, all output yielded.</returns>
    protected abstract bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written);

    /// <summary>Gives the encoder's state back. Called once.</summary>
    protected abstract void ReleaseEncoder();

    public sealed override void Write(ReadOnlySpan<byte> buffer) => Run(buffer, EncoderOperation.Continue);

    public sealed override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        RunAsync(buffer, EncoderOperation.Continue, cancellationToken);

    public sealed override void Flush()
    {
        Run([], EncoderOperation.Flush);
        sink.Flush();
    }

    public sealed override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await RunAsync(default, EncoderOperation.Flush, cancellationToken).ConfigureAwait(false);
        await sink.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    protected sealed override void Dispose(bool disposing)
    {
        if (disposing && _output is not null)
        {
            try
            {
                if (!_faulted)
                    Run([], EncoderOperation.End);
            }
            finally
            {
                Release();
                if (!leaveOpen)
                    sink.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    public sealed override async ValueTask DisposeAsync()
    {
        if (_output is null)
            return;
        try
        {
            if (!_faulted)
                await RunAsync(default, EncoderOperation.End, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            Release();
            if (!leaveOpen)
                await sink.DisposeAsync().ConfigureAwait(false);
            await base.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Run(ReadOnlySpan<byte> input, EncoderOperation operation)
    {
        var output = BeginRun();
        bool complete;
        do
        {
            complete = Encode(input, operation, output, out var consumed, out var written);
            input = input[consumed..];
            if (written > 0)
                sink.Write(output, 0, written);
        }
        while (!complete);
        _faulted = false;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunAsync(ReadOnlyMemory<byte> input, EncoderOperation operation, CancellationToken cancellationToken)
    {
        var output = BeginRun();
        bool complete;
        do
        {
            cancellationToken.ThrowIfCancellationRequested();
            complete = Encode(input.Span, operation, output, out var consumed, out var written);
            input = input[consumed..];
            if (written > 0)
                await sink.WriteAsync(output.AsMemory(0, written), cancellationToken).ConfigureAwait(false);
        }
        while (!complete);
        _faulted = false;
    }

    // Counts as faulted until it ran to its end, so that no error path has to remember it.
    private byte[] BeginRun()
    {
        ObjectDisposedException.ThrowIf(_output is null, this);
        _faulted = true;
        return _output;
    }

    private void Release()
    {
        ReleaseEncoder();
        ArrayPool<byte>.Shared.Return(_output!);
        _output = null;
    }
}
