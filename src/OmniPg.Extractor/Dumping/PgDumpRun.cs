using System.Runtime.CompilerServices;

namespace OmniPg.Extractor;

/// <summary>A pg_dump that is running: its archive can be read while it is being made.</summary>
/// <remarks>Not thread-safe. Disposal ends pg_dump with everything it started. Call <see cref="CompleteAsync"/> to learn whether all went well.</remarks>
public sealed class PgDumpRun : IAsyncDisposable
{
    private readonly IExternalProcess _process;
    private readonly StderrReader _stderr;
    private readonly DumpOutputStream _output;
    private readonly TimeSpan _lockTimeout;
    private readonly List<PgDumpWarning> _own = [];
    private ExternalProcessResult? _exit;

    internal PgDumpRun(PgTool tool, IExternalProcess process, StderrReader stderr, Stream? copy, PgDumpOptions options, TimeProvider time)
    {
        Tool = tool;
        _process = process;
        _stderr = stderr;
        _lockTimeout = options.LockTimeout;
        var output = options.MaxBytesPerSecond is { } rate ? new PacedStream(process.StandardOutput, rate, time) : process.StandardOutput;
        _output = new DumpOutputStream(output, copy, CheckExitAsync);
    }

    /// <summary>The archive, read from the pipe: its data comes in order and once. Disposed with this object.</summary>
    public PgArchive Archive { get; private set; } = null!;

    /// <summary>Full path of the program that runs.</summary>
    public string ToolPath => Tool.Path;

    /// <summary>Version of the program that runs.</summary>
    public PgServerVersion ToolVersion => Tool.Version;

    internal PgTool Tool { get; }

    internal bool IsPinned { get; init; }

    /// <summary>Settings that a replay needs to know: constants of type money can be read back under the same locale only.</summary>
    internal IReadOnlyDictionary<string, string> Session => IsPinned ? new Dictionary<string, string> { ["lc_monetary"] = "C" } : [];

    /// <summary>Reads what is left of the archive and waits for the end of pg_dump.</summary>
    /// <param name="cancellationToken">Ends pg_dump and throws.</param>
    /// <returns>What pg_dump warned of, at most 1000 warnings.</returns>
    /// <exception cref="PgDumpFailedException">pg_dump failed or was killed.</exception>
    /// <exception cref="PgDumpLockTimeoutException">A table stayed locked.</exception>
    public async Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_exit is null)
            await _output.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return [.. _own, .. _stderr.Warnings()];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Archive?.Dispose();
        await _process.DisposeAsync().ConfigureAwait(false);
    }

    internal void WarnOf(PgServerVersion? server)
    {
        if (!IsPinned)
            _own.Add(new PgDumpWarning(PgDumpWarningKind.SessionNotPinned,
                "The server's pooler takes no start-up options: settings of the role and the database can change the text.",
                ["Connect past the pooler, or add 'options' to its ignore_startup_parameters."]));
        // The archive names the server's exact version, whoever asked for the dump.
        var dumped = PgServerVersion.TryParse(Archive.Header.ServerVersion, null, out var version) ? version : server;
        if (dumped is { } found && found.Major == Tool.Version.Major && found > Tool.Version)
            _own.Add(new PgDumpWarning(PgDumpWarningKind.OlderThanServer,
                $"'{Tool.Path}' is version '{Tool.Version}', the server is '{found}': a pg_dump older than its server can write what the server's own would not.",
                ["Install the client programs of the server's minor release, or name their directory."]));
    }

    internal async Task OpenArchiveAsync(PgArchiveOptions? options, CancellationToken cancellationToken) =>
        Archive = await PgArchive.OpenAsync(_output, options, cancellationToken).ConfigureAwait(false);

    private async ValueTask CheckExitAsync(CancellationToken cancellationToken)
    {
        _exit ??= await _process.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_exit.ExitCode != 0)
            throw DumpFailure.From(Tool, _exit, _lockTimeout);
    }

    /// <summary>Output of pg_dump that ends only when pg_dump ended well: a reader never takes a torn archive for a damaged one.</summary>
    /// <remarks>Bytes go to the copy, if there is one, before they are handed on. Read it asynchronously: only then can it wait for the end.</remarks>
    private sealed class DumpOutputStream(Stream output, Stream? copy, Func<CancellationToken, ValueTask> onEnd) : ReadOnlyStream
    {
        public override int Read(Span<byte> buffer)
        {
            var read = output.Read(buffer);
            copy?.Write(buffer[..read]);
            return read;
        }

        // Pooled here and along the way: how often a read has to wait depends on who is faster, and each wait would allocate.
        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = await output.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (read == 0 && !buffer.IsEmpty)
                await onEnd(cancellationToken).ConfigureAwait(false);
            else if (copy is not null)
                await copy.WriteAsync(buffer[..read], cancellationToken).ConfigureAwait(false);
            return read;
        }
    }
}
