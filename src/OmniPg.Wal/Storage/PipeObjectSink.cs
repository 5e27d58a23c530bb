namespace OmniPg.Wal;

/// <summary>Hands each object to a program: payload on standard input, file name as the last argument, no shell.</summary>
internal sealed class PipeObjectSink(string program, IReadOnlyList<string> arguments) : IObjectSink
{
    public string Id => $"pipe:{program}";

    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var process = ExternalProcess.Start(new ExternalProcessOptions { FileName = program, Arguments = [.. arguments, key], RedirectInput = true });
        return new ValueTask<IObjectWriter>(new Writer(program, process));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Only exit code 0 after the end of all bytes counts; without commit the program is ended before it sees an end.</summary>
    private sealed class Writer(string program, ExternalProcess process) : IObjectWriter
    {
        private readonly Task _output = process.StandardOutput.CopyToAsync(Stream.Null);

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            try
            {
                await process.StandardInput.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException)
            {
                throw new ExternalProcessException(program, await EndAsync(cancellationToken).ConfigureAwait(false));
            }
        }

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            try
            {
                await process.StandardInput.DisposeAsync().ConfigureAwait(false);
            }
            catch (IOException)
            {
                // It stopped reading early; what it says is better than "broken pipe".
            }

            var result = await EndAsync(cancellationToken).ConfigureAwait(false);
            return result.ExitCode == 0 ? ObjectCommitResult.Created : throw new ExternalProcessException(program, result);
        }

        public ValueTask DisposeAsync() => process.DisposeAsync();

        private async Task<ExternalProcessResult> EndAsync(CancellationToken cancellationToken)
        {
            await _output.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return await process.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }
}
