using OmniPg.Extractor.Dumping;

namespace OmniPg.Extractor;

/// <summary>A pg_dump that is running: its archive can be read while it is being made.</summary>
/// <remarks>Not thread-safe. Disposal ends pg_dump with everything it started. Call <see cref="CompleteAsync"/> to learn whether all went well.</remarks>
public sealed class PgDumpRun : IAsyncDisposable
{
    private readonly IPgDumpProcess _process;
    private readonly StderrReader _stderr;
    private readonly DumpOutputStream _output;
    private readonly TimeSpan _lockTimeout;
    private PgDumpExit? _exit;

    internal PgDumpRun(PgTool tool, IPgDumpProcess process, StderrReader stderr, Stream? copy, PgDumpOptions options, TimeProvider time)
    {
        Tool = tool;
        _process = process;
        _stderr = stderr;
        _lockTimeout = options.LockTimeout;
        var output = options.MaxBytesPerSecond is { } rate ? new PacedStream(process.Output, rate, time) : process.Output;
        _output = new DumpOutputStream(output, copy, CheckExitAsync);
    }

    /// <summary>The archive, read from the pipe: its data comes in order and once. Disposed with this object.</summary>
    public PgArchive Archive { get; private set; } = null!;

    /// <summary>The program that runs.</summary>
    public PgTool Tool { get; }

    /// <summary>Reads what is left of the archive and waits for the end of pg_dump.</summary>
    /// <param name="cancellationToken">Ends pg_dump and throws.</param>
    /// <returns>What pg_dump warned of, at most 1000 warnings.</returns>
    /// <exception cref="PgDumpFailedException">pg_dump failed or was killed.</exception>
    /// <exception cref="PgDumpLockTimeoutException">A table stayed locked.</exception>
    public async Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_exit is null)
            await _output.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return _stderr.Warnings();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Archive?.Dispose();
        await _process.DisposeAsync().ConfigureAwait(false);
    }

    internal async Task OpenArchiveAsync(PgArchiveOptions? options, CancellationToken cancellationToken) =>
        Archive = await PgArchive.OpenAsync(_output, options, cancellationToken).ConfigureAwait(false);

    private async ValueTask CheckExitAsync(CancellationToken cancellationToken)
    {
        _exit ??= await _process.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_exit.Value.ExitCode != 0)
            throw DumpFailure.From(Tool, _exit.Value, _lockTimeout);
    }
}
