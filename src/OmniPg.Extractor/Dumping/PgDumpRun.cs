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
    /// <exception cref="PgDumpFailedException">pg_dump failed or was killed, or a table stayed locked.</exception>
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
            throw Failure.From(Tool, _exit, _lockTimeout);
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

    /// <summary>Hands bytes on no faster than a rate: the pipe fills, and whoever writes into it waits.</summary>
    /// <remarks>The average counts from the first read, so a time without bytes earns no burst longer than one buffer's worth.</remarks>
    internal sealed class PacedStream(Stream source, long bytesPerSecond, TimeProvider time) : ReadOnlyStream
    {
        private readonly int _maximumRead = (int)Math.Clamp(bytesPerSecond / 10, 1, 64 * 1024);
        private TimeSpan _due = TimeSpan.MinValue;
        private long _started;

        // Nobody can wait here without blocking a thread; the bytes count all the same, and the next asynchronous read waits for them.
        public override int Read(Span<byte> buffer)
        {
            var read = source.Read(buffer[..Math.Min(buffer.Length, _maximumRead)]);
            Account(read);
            return read;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_due != TimeSpan.MinValue && _due - time.GetElapsedTime(_started) is { Ticks: > 0 } wait)
                await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
            var read = await source.ReadAsync(buffer[..Math.Min(buffer.Length, _maximumRead)], cancellationToken).ConfigureAwait(false);
            Account(read);
            return read;
        }

        private void Account(int read)
        {
            if (_due == TimeSpan.MinValue)
                (_started, _due) = (time.GetTimestamp(), TimeSpan.Zero);
            var now = time.GetElapsedTime(_started);
            _due = (_due > now ? _due : now) + TimeSpan.FromSeconds((double)read / bytesPerSecond);
        }
    }

    /// <summary>Turns the end of a failed run into the error that says most.</summary>
    internal static class Failure
    {
        public static ExtractorException From(PgTool tool, ExternalProcessException error, TimeSpan lockTimeout) => error.Result is { } exit
            ? From(tool, exit, lockTimeout)
            : new PgDumpFailedException(tool.Path, null, error.Message, innerException: error);

        public static ExtractorException From(PgTool tool, ExternalProcessResult exit, TimeSpan lockTimeout)
        {
            if (ServerVersionIn(exit.ErrorTail) is { } server)
                return new PgToolNotFoundException(tool.Path, tool.Version, server);
            var failure = new PgDumpFailedException(tool.Path, exit.ExitCode, exit.ErrorTail, Hint(exit));
            return LockedTableIn(exit.ErrorTail) is { } table ? new PgDumpFailedException(table, lockTimeout, failure) : failure;
        }

        /// <summary>Whether the dump lost a race with concurrent DDL and may succeed when started again.</summary>
        public static bool IsRace(ExtractorException error) => error is PgDumpFailedException { LockedTables: null, StderrTail: var stderr }
            && (stderr.Contains("cache lookup failed", StringComparison.Ordinal) || stderr.Contains("could not open relation with OID", StringComparison.Ordinal));

        /// <summary>Whether a pooler refused options at the start of the session (PgBouncer without <c>ignore_startup_parameters = options</c>).</summary>
        public static bool RefusesOptions(ExtractorException error) => error is PgDumpFailedException { LockedTables: null, StderrTail: var stderr }
            && stderr.Contains("unsupported startup parameter", StringComparison.Ordinal) && stderr.Contains("options", StringComparison.Ordinal);

        private static PgServerVersion? ServerVersionIn(string stderr)
        {
            // pg_dump: error: aborting because of server version mismatch / pg_dump: detail: server version: 17.2; pg_dump version: 15.18
            const string Mark = "server version: ";
            var at = stderr.Contains("server version mismatch", StringComparison.Ordinal) ? stderr.IndexOf(Mark, StringComparison.Ordinal) : -1;
            return at >= 0 && PgServerVersion.TryParse(stderr.AsSpan(at + Mark.Length), null, out var version) ? version : null;
        }

        private static string? LockedTableIn(string stderr)
        {
            // pg_dump realises --lock-wait-timeout with statement_timeout, so the text speaks of a statement.
            const string Start = "Query was: LOCK TABLE ";
            const string End = " IN ACCESS SHARE MODE";
            if (!stderr.Contains("canceling statement due to", StringComparison.Ordinal))
                return null;
            var from = stderr.IndexOf(Start, StringComparison.Ordinal);
            var to = from < 0 ? -1 : stderr.IndexOf(End, from, StringComparison.Ordinal);
            return to < 0 ? null : stderr[(from + Start.Length)..to];
        }

        private static string? Hint(ExternalProcessResult exit)
        {
            if (exit.ErrorTail.Contains("no password supplied", StringComparison.Ordinal))
                return "A data source hides its password: use PgDumpSource with a password provider, 'Persist Security Info=true', or a password file.";
            if (exit.ErrorTail.Contains("invalid byte sequence for encoding", StringComparison.Ordinal))
                return "The database does not say how its text is encoded (SQL_ASCII): dump it in the encoding SQL_ASCII, which takes the bytes as they are.";
            return exit.ExitCode > 128 ? "The program was killed by a signal: look for the out-of-memory killer or an operator." : null;
        }
    }
}
