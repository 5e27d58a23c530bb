namespace OmniPg.Extractor;

/// <summary>A running pg_dump. Disposal must end it, with everything it started.</summary>
public interface IPgDumpProcess : IAsyncDisposable
{
    /// <summary>Standard output, as bytes.</summary>
    Stream Output { get; }

    /// <summary>Waits for the end, after <see cref="Output"/> was read to its end.</summary>
    /// <param name="cancellationToken">Ends the program and then throws.</param>
    /// <returns>Exit code and the last 8 KiB of standard error.</returns>
    Task<PgDumpExit> WaitAsync(CancellationToken cancellationToken = default);
}
