using System.Net;
using System.Net.Sockets;

namespace OmniPg.Wal.Tests.Receiving;

/// <summary>A network between a client and a server: passes bytes on, or passes none any more without closing anything.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _pumps = [];
    private readonly List<TcpClient> _clients = [];
    private readonly int _server;
    private readonly Task _accepting;
    private volatile int _silences;
    private volatile bool _isSilent;

    public TcpRelay(int server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>From now on nothing passes; who connects is let in, as by a kernel whose program hangs.</summary>
    public void Silence()
    {
        _isSilent = true;
        _silences++;
    }

    /// <summary>New connections pass again; those from before stay as they are.</summary>
    public void Speak() => _isSilent = false;

    /// <summary>Resets the connections that are there, as a host does that is killed.</summary>
    public void Cut()
    {
        lock (_clients)
        {
            foreach (var client in _clients)
            {
                // With unsent bytes thrown away, which the kernel tells the other end by a reset.
                client.LingerState = new LingerOption(true, 0);
                client.Close();
            }

            _clients.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_pumps).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
            _pumps.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token)));
    }

    private async Task ServeAsync(TcpClient accepted)
    {
        using var client = accepted;
        using var server = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        lock (_clients)
            _clients.Add(client);
        try
        {
            var born = _silences;
            if (_isSilent)
                await Task.Delay(Timeout.Infinite, _end.Token);
            await server.ConnectAsync(IPAddress.Loopback, _server, _end.Token);
            await Task.WhenAny(PumpAsync(client, server, born), PumpAsync(server, client, born));
        }
        finally
        {
            lock (_clients)
                _clients.Remove(client);
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, int born)
    {
        var buffer = new byte[64 * 1024];
        while (await from.GetStream().ReadAsync(buffer, _end.Token) is var count and > 0)
        {
            if (born != _silences)
                await Task.Delay(Timeout.Infinite, _end.Token);
            await to.GetStream().WriteAsync(buffer.AsMemory(0, count), _end.Token);
        }

        // Its end is not heard of in the silence either.
        if (born != _silences)
            await Task.Delay(Timeout.Infinite, _end.Token);
    }
}
