using System.Collections.Concurrent;
using System.Net.Sockets;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Resident;

/// <summary>A resident mode that runs until disposal and keeps its events.</summary>
internal sealed class RunningResident : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _run;

    private RunningResident(WalArchiver archiver, WalResidentOptions options) => _run = Task.Run(async () =>
    {
        await foreach (var happened in new WalResident(archiver, options).RunAsync(_stop.Token))
            Events.Enqueue(happened);
    });

    public ConcurrentQueue<ArchiveEvent> Events { get; } = [];

    public static async Task<RunningResident> StartAsync(WalArchiver archiver, WalResidentOptions options, CancellationToken cancellationToken)
    {
        var resident = new RunningResident(archiver, options);
        await Eventually.TrueAsync(() => resident._run.IsCompleted || Listens(options.SocketPath), "somebody listens", cancellationToken: cancellationToken);
        if (resident._run.IsCompleted)
            await resident._run;
        return resident;
    }

    /// <summary>Whether somebody answers there: the name of a socket is there before it listens.</summary>
    public static bool Listens(string? path)
    {
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            client.Connect(new UnixDomainSocketEndPoint(path!));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _run;
        _stop.Dispose();
    }
}
