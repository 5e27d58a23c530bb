namespace OmniPg.Wal;

/// <summary>Hands each object to a program: payload on standard input, file name as the last argument, no shell.</summary>
internal sealed class PipeWalStore(string program, IReadOnlyList<string> arguments) : WriteOnlyWalStore
{
    public override string Id => $"pipe:{program}";

    public override ValueTask<IWalStoreWriter> CreateAsync(string key, WalObjectInfo info, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var process = ExternalProcess.Start(new ExternalProcessOptions { FileName = program, Arguments = [.. arguments, key], RedirectInput = true });
        return new ValueTask<IWalStoreWriter>(new PipeObjectWriter(program, process));
    }
}
