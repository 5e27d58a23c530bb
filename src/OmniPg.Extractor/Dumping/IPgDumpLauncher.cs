namespace OmniPg.Extractor;

/// <summary>Starts pg_dump. Implement it to run the program in a container or on another machine.</summary>
public interface IPgDumpLauncher
{
    /// <summary>Starts the program.</summary>
    /// <param name="command">Program, arguments, environment.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <returns>The running program; the caller disposes it.</returns>
    /// <exception cref="PgDumpFailedException">It could not be started.</exception>
    ValueTask<IPgDumpProcess> StartAsync(PgDumpCommand command, CancellationToken cancellationToken = default);
}
