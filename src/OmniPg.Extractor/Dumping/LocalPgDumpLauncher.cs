using OmniPg.Processes;

namespace OmniPg.Extractor.Dumping;

/// <summary>Runs pg_dump as a child of this process.</summary>
internal sealed class LocalPgDumpLauncher : IPgDumpLauncher
{
    public ValueTask<IPgDumpProcess> StartAsync(PgDumpCommand command, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            var process = ExternalProcess.Start(new ExternalProcessOptions
            {
                FileName = command.Program,
                Arguments = command.Arguments,
                Environment = command.Environment,
                OnErrorLine = command.OnErrorLine,
            });
            return new ValueTask<IPgDumpProcess>(new LocalPgDumpProcess(process));
        }
        catch (ExternalProcessException error)
        {
            throw new PgDumpFailedException(command.Program, null, error.Message, innerException: error);
        }
    }
}
