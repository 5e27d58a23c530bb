namespace OmniPg;

/// <summary>Writes through a program: this side feeds its input while a task carries its output to the sink.</summary>
internal sealed class ProgramEncoderStream : WriteOnlyStream
{
    private readonly ExternalProcessOptions _options;
    private readonly ExternalProcess _process;
    private readonly Stream _sink;
    private readonly bool _leaveOpen;
    private readonly Task _carrier;
    private bool _faulted;
    private bool _disposed;

    public ProgramEncoderStream(ExternalProcessOptions options, Stream sink, bool leaveOpen)
    {
        _options = options;
        _sink = sink;
        _leaveOpen = leaveOpen;
        _process = ExternalProcess.Start(options);
        _carrier = Task.Run(CarryAsync);
    }

    public override bool CanWrite => !_disposed;

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _faulted = true;
        try
        {
            _process.StandardInput.Write(buffer);
        }
        catch (IOException)
        {
            // The pipe broke because the carrier failed and ended the program: its error is the cause.
            _carrier.GetAwaiter().GetResult();
            throw;
        }

        _faulted = false;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _faulted = true;
        try
        {
            await _process.StandardInput.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            await _carrier.ConfigureAwait(false);
            throw;
        }

        _faulted = false;
    }

    public override void Flush() => _process.StandardInput.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => _process.StandardInput.FlushAsync(cancellationToken);

    // A stream may be disposed synchronously; the program's end can only be awaited, so this waits for the pool thread that does it.
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

    private async Task CloseAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        try
        {
            if (!_faulted)
                await FinishAsync().ConfigureAwait(false);
        }
        finally
        {
            await _process.DisposeAsync().ConfigureAwait(false);
            await _carrier.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_leaveOpen)
                await _sink.DisposeAsync().ConfigureAwait(false);
        }
    }

    // A program whose output nobody takes would block for ever: it is ended, which fails the next write.
    private async Task CarryAsync()
    {
        try
        {
            await _process.StandardOutput.CopyToAsync(_sink).ConfigureAwait(false);
        }
        catch
        {
            _process.Kill();
            throw;
        }
    }

    private async Task FinishAsync()
    {
        await _process.StandardInput.DisposeAsync().ConfigureAwait(false);
        await _carrier.ConfigureAwait(false);
        var result = await _process.WaitAsync().ConfigureAwait(false);
        if (result.ExitCode != 0)
            throw new ExternalProcessException(_options.FileName, result);
    }
}
