namespace OmniPg.Wal;

/// <summary>Feeds one object to a program. Only exit code 0 after the end of all bytes counts; without commit the program is ended before it sees an end.</summary>
internal sealed class PipeObjectWriter(string program, ExternalProcess process) : IWalStoreWriter
{
    private readonly Task _output = process.StandardOutput.CopyToAsync(Stream.Null);

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        try
        {
            await process.StandardInput.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            throw new ExternalProcessException(program, await EndAsync(cancellationToken).ConfigureAwait(false));
        }
    }

    public async Task<WalCommitOutcome> CommitAsync(WalObjectContent content, CancellationToken cancellationToken = default)
    {
        try
        {
            await process.StandardInput.DisposeAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            // It stopped reading early; what it says is better than "broken pipe".
        }

        var result = await EndAsync(cancellationToken).ConfigureAwait(false);
        return result.ExitCode == 0 ? WalCommitOutcome.Created : throw new ExternalProcessException(program, result);
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();

    private async Task<ExternalProcessResult> EndAsync(CancellationToken cancellationToken)
    {
        await _output.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await process.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
