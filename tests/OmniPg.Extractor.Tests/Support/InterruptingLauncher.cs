namespace OmniPg.Extractor.Tests;

/// <summary>Runs the real pg_dump and lets something happen when a number of bytes of its output have been read.</summary>
internal sealed class InterruptingLauncher(long afterBytes, Func<ExternalProcess, Task> interrupt) : IProcessLauncher
{
    public int ProcessId { get; private set; }

    public bool HasInterrupted { get; private set; }

    public ValueTask<IExternalProcess> StartAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default)
    {
        var process = ExternalProcess.Start(options);
        ProcessId = process.Id;
        return new ValueTask<IExternalProcess>(new Running(process, new Output(process, this, afterBytes, interrupt)));
    }

    private sealed class Running(ExternalProcess process, Output output) : IExternalProcess
    {
        public Stream StandardInput => process.StandardInput;

        public Stream StandardOutput => output;

        public Task<ExternalProcessResult> WaitAsync(CancellationToken cancellationToken = default) => process.WaitAsync(cancellationToken);

        public ValueTask DisposeAsync() => process.DisposeAsync();
    }

    private sealed class Output(ExternalProcess process, InterruptingLauncher owner, long afterBytes, Func<ExternalProcess, Task> interrupt) : ReadOnlyStream
    {
        private long _read;

        public override int Read(Span<byte> buffer) => throw new NotSupportedException("The dump is read asynchronously.");

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_read >= afterBytes && !owner.HasInterrupted)
            {
                owner.HasInterrupted = true;
                await interrupt(process);
            }
            var read = await process.StandardOutput.ReadAsync(buffer, cancellationToken);
            _read += read;
            return read;
        }
    }
}
