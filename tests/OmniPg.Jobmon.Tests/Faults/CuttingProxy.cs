using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>Stands between client and server, and can swallow the answer to the next statement together with the connection.</summary>
/// <remarks>What the server answers it has committed, so the client is left with a write of unknown outcome.</remarks>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private const byte CommandComplete = (byte)'C';
    private const byte ReadyForQuery = (byte)'Z';

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _serverPort;
    private readonly Task _accepting;
    private int _armed;
    private volatile bool _silently;
    private byte[]? _command;

    public CuttingProxy(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections cut so far.</summary>
    public int Cuts { get; private set; }

    /// <summary>The next answer of the server never arrives.</summary>
    public void CutNextAnswer() => Volatile.Write(ref _armed, 1);

    /// <summary>The answer to the next command of this kind never arrives, such as <c>COMMIT</c>.</summary>
    public void CutAnswerTo(string command) => Volatile.Write(ref _command, Encoding.ASCII.GetBytes(command + '\0'));

    /// <summary>The next answer of the server never arrives, and the connection stays as it is.</summary>
    public void SwallowNextAnswer()
    {
        _silently = true;
        CutNextAnswer();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var relays = new List<Task>();
        try
        {
            while (true)
                relays.Add(RelayAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(relays);
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using var toClient = client;
        using var toServer = new TcpClient();
        try
        {
            await toServer.ConnectAsync(IPAddress.Loopback, _serverPort, _stop.Token);
            var questions = client.GetStream().CopyToAsync(toServer.GetStream(), _stop.Token);
            await AnswerAsync(toServer.GetStream(), client.GetStream());
            client.Close();
            toServer.Close();
            await questions;
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // Either end has gone; so goes the other.
        }
    }

    /// <summary>Passes whole messages on; returns when an answer was cut.</summary>
    private async Task AnswerAsync(NetworkStream server, NetworkStream client)
    {
        var message = new byte[5];
        while (true)
        {
            await server.ReadExactlyAsync(message.AsMemory(0, 5), _stop.Token);
            var length = BinaryPrimitives.ReadInt32BigEndian(message.AsSpan(1)) + 1;
            if (message.Length < length)
                Array.Resize(ref message, length);
            await server.ReadExactlyAsync(message.AsMemory(5, length - 5), _stop.Token);
            if (message[0] == CommandComplete && Volatile.Read(ref _command) is { } command && message.AsSpan(5, length - 5).SequenceEqual(command)
                && Interlocked.CompareExchange(ref _command, null, command) == command)
            {
                Cuts++;
                return;
            }

            if (Volatile.Read(ref _armed) == 0)
            {
                await client.WriteAsync(message.AsMemory(0, length), _stop.Token);
            }
            else if (message[0] == ReadyForQuery && Interlocked.Exchange(ref _armed, 0) == 1)
            {
                Cuts++;
                if (!_silently)
                    return;
                _silently = false;
            }
        }
    }
}
