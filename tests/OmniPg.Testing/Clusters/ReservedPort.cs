using System.Net;
using System.Net.Sockets;

namespace OmniPg.Testing;

/// <summary>A port of 127.0.0.1 that belongs to one server of the tests, also before it listens and while it is down.</summary>
/// <remarks>
/// A socket is bound to it and does not listen. The system gives such a port to nobody who asks for any, while a server that asks for this one by
/// number, with SO_REUSEADDR as servers do and as .NET does in Bind, gets it.
/// </remarks>
public sealed class ReservedPort : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    /// <summary>Reserves a port that is free.</summary>
    public ReservedPort() => _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));

    /// <summary>The port's number.</summary>
    public int Number => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    /// <summary>Gives the port back.</summary>
    public void Dispose() => _socket.Dispose();
}
