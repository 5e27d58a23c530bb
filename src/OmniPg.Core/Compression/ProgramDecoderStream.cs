using System.Buffers;

namespace OmniPg;

/// <summary>Reads through a program: a task feeds its input from the source while this side reads its output.</summary>
internal sealed class ProgramDecoderStream : ReadOnlyStream
{
    private const int BufferBytes = 64 * 1024;
    private readonly string _codec;
    private readonly ExternalProcess _process;
    private readonly Stream _source;
    private readonly bool _leaveOpen;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _feeder;
    private volatile bool _sourceFailed;
    private bool _ended;
    private bool _disposed;

    public ProgramDecoderStream(string codec, ExternalProcessOptions options, Stream source, bool leaveOpen)
    {
        _codec = codec;
        _source = source;
        _leaveOpen = leaveOpen;
        _process = ExternalProcess.Start(options);
        _feeder = Task.Run(FeedAsync);
    }

    public override bool CanRead => !_disposed;

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var count = _ended ? 0 : _process.StandardOutput.Read(buffer);

        // Only an awaited wait exists for the program's end; it has closed its output and is about to exit.
        if (count == 0 && !buffer.IsEmpty && !_ended)
            Task.Run(() => CheckEndAsync(CancellationToken.None)).GetAwaiter().GetResult();
        return count;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var count = _ended ? 0 : await _process.StandardOutput.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (count == 0 && !buffer.IsEmpty && !_ended)
            await CheckEndAsync(cancellationToken).ConfigureAwait(false);
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Task.Run(CloseAsync).GetAwaiter().GetResult();
        base.Dispose(disposing);
    }

    public override async ValueTask DisposeAsync()
    {
        await CloseAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task FeedAsync()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            int count;
            while ((count = await ReadSourceAsync(buffer).ConfigureAwait(false)) > 0 && await TryFeedAsync(buffer.AsMemory(0, count)).ConfigureAwait(false))
            {
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            await CloseInputAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask<int> ReadSourceAsync(byte[] buffer)
    {
        try
        {
            return await _source.ReadAsync(buffer, _stop.Token).ConfigureAwait(false);
        }
        catch
        {
            _sourceFailed = true;
            throw;
        }
    }

    // False: the program stopped reading. Its exit code and words tell why, and CheckEndAsync reports them.
    private async Task<bool> TryFeedAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await _process.StandardInput.WriteAsync(bytes, _stop.Token).ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private async Task CloseInputAsync()
    {
        try
        {
            await _process.StandardInput.DisposeAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // A broken pipe again, with nothing left to lose.
        }
    }

    private async Task CheckEndAsync(CancellationToken cancellationToken)
    {
        var result = await _process.WaitAsync(cancellationToken).ConfigureAwait(false);
        // Then the program saw an early end and calls it damage; the file may be whole.
        if (_sourceFailed)
            await _feeder.ConfigureAwait(false);

        // bzip2 passes over bytes behind the end with exit code 0, but says so.
        if (result.ExitCode != 0 || result.ErrorTail.Length > 0)
            throw new CorruptCompressedDataException(_codec, $"the program says '{result.ErrorTail}'");
        await _feeder.ConfigureAwait(false);
        _ended = true;
    }

    private async Task CloseAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _process.DisposeAsync().ConfigureAwait(false);
        await _feeder.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        if (!_leaveOpen)
            await _source.DisposeAsync().ConfigureAwait(false);
    }
}
