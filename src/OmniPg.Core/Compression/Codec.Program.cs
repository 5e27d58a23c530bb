namespace OmniPg;

public abstract partial class Codec
{
    /// <summary>A format that only an external program reads and writes: its arguments one by one, no shell.</summary>
    private sealed class ProgramCodec(
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
            new ProgramDecoderStream(Name, Options(["--decompress", "--stdout", .. formatArguments]), source, leaveOpen);

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
    }
}
