using OmniPg.IO;
using OmniPg.Processes;

namespace OmniPg.Extractor.Tests;

/// <summary>Runs the real pg_dump and lets something happen when a number of bytes of its output have been read.</summary>
internal sealed class InterruptingLauncher(long afterBytes, Func<ExternalProcess, Task> interrupt) : IPgDumpLauncher
{
    public int ProcessId { get; private set; }

    public bool HasInterrupted { get; private set; }

    public ValueTask<IPgDumpProcess> StartAsync(PgDumpCommand command, CancellationToken cancellationToken = default)
    {
        var process = ExternalProcess.Start(new ExternalProcessOptions
        {
            FileName = command.Program,
            Arguments = command.Arguments,
            Environment = command.Environment,
            OnErrorLine = command.OnErrorLine,
        });
        ProcessId = process.Id;
        return new ValueTask<IPgDumpProcess>(new Running(process, new Output(process, this, afterBytes, interrupt)));
    }

    private sealed class Running(ExternalProcess process, Output output) : IPgDumpProcess
    {
        public Stream Output => output;

        public async Task<PgDumpExit> WaitAsync(CancellationToken cancellationToken = default)
        {
            var result = await process.WaitAsync(cancellationToken);
            return new PgDumpExit(result.ExitCode, result.ErrorTail);
        }

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
