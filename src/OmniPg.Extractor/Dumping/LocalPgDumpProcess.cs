using OmniPg.Processes;

namespace OmniPg.Extractor.Dumping;

/// <inheritdoc cref="LocalPgDumpLauncher"/>
internal sealed class LocalPgDumpProcess(ExternalProcess process) : IPgDumpProcess
{
    public Stream Output => process.StandardOutput;

    public async Task<PgDumpExit> WaitAsync(CancellationToken cancellationToken = default)
    {
        var result = await process.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new PgDumpExit(result.ExitCode, result.ErrorTail);
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();
}
