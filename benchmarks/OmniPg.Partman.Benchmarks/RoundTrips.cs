using System.Net;
using System.Net.Sockets;
using Npgsql;

/// <summary>Stands between a client and a server, and counts how often the client speaks after the server has.</summary>
internal sealed class RoundTrips : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _port;
    private int _count;

    public RoundTrips(string connection)
    {
        var builder = new NpgsqlConnectionStringBuilder(connection);
        (_port, _) = (builder.Port, _listener.Server.NoDelay = true);
        _listener.Start();
        (builder.Host, builder.Port, builder.SslMode, builder.GssEncryptionMode) = ("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port, SslMode.Disable, GssEncryptionMode.Disable);
        ConnectionString = builder.ConnectionString;
        _ = AcceptAsync();
    }

    /// <summary>The way to the server through this.</summary>
    public string ConnectionString { get; }

    /// <summary>Counts what work takes.</summary>
    public async Task<int> CountAsync(Func<Task> work)
    {
        var before = Volatile.Read(ref _count);
        await work();
        return Volatile.Read(ref _count) - before;
    }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception error) when (error is ObjectDisposedException or SocketException)
        {
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var here = client;
        using var there = new TcpClient();
        (here.NoDelay, there.NoDelay) = (true, true);
        await there.ConnectAsync(IPAddress.Loopback, _port);
        var hasAnswered = 1;
        await Task.WhenAny(
            PumpAsync(here.GetStream(), there.GetStream(), () => Interlocked.Add(ref _count, Interlocked.Exchange(ref hasAnswered, 0))),
            PumpAsync(there.GetStream(), here.GetStream(), () => Volatile.Write(ref hasAnswered, 1)));
    }

    private static async Task PumpAsync(NetworkStream from, NetworkStream to, Action seen)
    {
        var buffer = new byte[64 << 10];
        try
        {
            for (int read; (read = await from.ReadAsync(buffer)) > 0;)
            {
                seen();
                await to.WriteAsync(buffer.AsMemory(0, read));
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
        }
    }
}
