using System.Buffers;

namespace OmniPg;

/// <summary>A format that only an external program reads and writes: its arguments one by one, no shell.</summary>
internal sealed class ProgramCodec(
    string name, string extension, int minLevel, int defaultLevel, byte[] magic, Func<string> program, string[] formatArguments, string package)
    : Codec(name, extension, minLevel, 9, defaultLevel)
{
    public override bool IsAvailable(out string? reason)
    {
        var missing = new[] { program(), CodecPrograms.Nice }.FirstOrDefault(p => p is not null && Find(p) is null);
        reason = missing is null ? null : $"The program '{missing}' is not there{(IsPath(missing) ? "" : ", it was looked for in PATH")}. {HintFor(missing)}";
        return reason is null;
    }

    public override bool Matches(ReadOnlySpan<byte> start) => magic.Length > 0 && start.StartsWith(magic);

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) =>
        new Encoder(Options(["--stdout", $"-{level}", .. formatArguments]), sink, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) =>
        new Decoder(Name, Options(["--decompress", "--stdout", .. formatArguments]), source, leaveOpen);

    private string HintFor(string missing) =>
        missing == CodecPrograms.Nice ? "Give the path of nice, or do without it." : $"Install the package '{package}', or give the program's path.";

    private ExternalProcessOptions Options(string[] arguments)
    {
        var path = Require(program());
        return CodecPrograms.Nice is { } nice
            ? new ExternalProcessOptions { FileName = Require(nice), Arguments = [path, .. arguments], RedirectInput = true }
            : new ExternalProcessOptions { FileName = path, Arguments = arguments, RedirectInput = true };
    }

    private string Require(string wanted) => Find(wanted) ?? throw new CodecUnavailableException(Name, wanted, HintFor(wanted));

    private static string? Find(string wanted)
    {
        if (IsPath(wanted))
            return File.Exists(wanted) ? wanted : null;
        foreach (var directory in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var path = Path.Combine(directory, OperatingSystem.IsWindows() ? wanted + ".exe" : wanted);
            if (File.Exists(path))
                return path;
        }

        return null;
    }

    private static bool IsPath(string wanted) => wanted.AsSpan().ContainsAny('/', Path.DirectorySeparatorChar);

    /// <summary>Writes through a program: this side feeds its input while a task carries its output to the sink.</summary>
    private sealed class Encoder : WriteOnlyStream
    {
        private readonly ExternalProcessOptions _options;
        private readonly ExternalProcess _process;
        private readonly Stream _sink;
        private readonly bool _leaveOpen;
        private readonly Task _carrier;
        private bool _faulted;
        private bool _disposed;

        public Encoder(ExternalProcessOptions options, Stream sink, bool leaveOpen)
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

    /// <summary>Reads through a program: a task feeds its input from the source while this side reads its output.</summary>
    private sealed class Decoder : ReadOnlyStream
    {
        private const int BufferBytes = 64 * 1024;
        private readonly string _codec;
        private readonly ExternalProcess _process;
        private readonly Stream _source;
        private readonly bool _leaveOpen;
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _feeder;
        private volatile bool _sourceFailed;
        private bool _ended;
        private bool _disposed;

        public Decoder(string codec, ExternalProcessOptions options, Stream source, bool leaveOpen)
        {
            _codec = codec;
            _source = source;
            _leaveOpen = leaveOpen;
            _process = ExternalProcess.Start(options);
            _feeder = Task.Run(FeedAsync);
        }

        public override bool CanRead => !_disposed;

        public override int Read(Span<byte> buffer)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var count = _ended ? 0 : _process.StandardOutput.Read(buffer);

            // Only an awaited wait exists for the program's end; it has closed its output and is about to exit.
            if (count == 0 && !buffer.IsEmpty && !_ended)
                Task.Run(() => CheckEndAsync(CancellationToken.None)).GetAwaiter().GetResult();
            return count;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var count = _ended ? 0 : await _process.StandardOutput.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (count == 0 && !buffer.IsEmpty && !_ended)
                await CheckEndAsync(cancellationToken).ConfigureAwait(false);
            return count;
        }

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

        private async Task FeedAsync()
        {
            var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
            try
            {
                int count;
                while ((count = await ReadSourceAsync(buffer).ConfigureAwait(false)) > 0 && await TryFeedAsync(buffer.AsMemory(0, count)).ConfigureAwait(false))
                {
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
                await CloseInputAsync().ConfigureAwait(false);
            }
        }

        private async ValueTask<int> ReadSourceAsync(byte[] buffer)
        {
            try
            {
                return await _source.ReadAsync(buffer, _stop.Token).ConfigureAwait(false);
            }
            catch
            {
                _sourceFailed = true;
                throw;
            }
        }

        // False: the program stopped reading. Its exit code and words tell why, and CheckEndAsync reports them.
        private async Task<bool> TryFeedAsync(ReadOnlyMemory<byte> bytes)
        {
            try
            {
                await _process.StandardInput.WriteAsync(bytes, _stop.Token).ConfigureAwait(false);
                return true;
            }
            catch (IOException)
            {
                return false;
            }
        }

        private async Task CloseInputAsync()
        {
            try
            {
                await _process.StandardInput.DisposeAsync().ConfigureAwait(false);
            }
            catch (IOException)
            {
                // A broken pipe again, with nothing left to lose.
            }
        }

        private async Task CheckEndAsync(CancellationToken cancellationToken)
        {
            var result = await _process.WaitAsync(cancellationToken).ConfigureAwait(false);
            // Then the program saw an early end and calls it damage; the file may be whole.
            if (_sourceFailed)
                await _feeder.ConfigureAwait(false);

            // bzip2 passes over bytes behind the end with exit code 0, but says so.
            if (result.ExitCode != 0 || result.ErrorTail.Length > 0)
                throw new CorruptCompressedDataException(_codec, $"the program says '{result.ErrorTail}'");
            await _feeder.ConfigureAwait(false);
            _ended = true;
        }

        private async Task CloseAsync()
        {
            if (_disposed)
                return;
            _disposed = true;
            await _stop.CancelAsync().ConfigureAwait(false);
            await _process.DisposeAsync().ConfigureAwait(false);
            await _feeder.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stop.Dispose();
            if (!_leaveOpen)
                await _source.DisposeAsync().ConfigureAwait(false);
        }
    }
}
