using System.Net.Sockets;
using System.Text.Json;

namespace OmniPg.Wal.Resident;

/// <summary>Answers <c>archive_command</c> clients on a Unix socket.</summary>
internal sealed class ResidentSocket : IDisposable
{
    private readonly string _path;
    private readonly Socket _listener;
    private readonly ResidentWork _work;
    private readonly WalPushSpool _spool;

    public ResidentSocket(string path, ResidentWork work, WalPushSpool spool)
    {
        (_path, _work, _spool) = (path, work, spool);
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

        // A socket file outlives a killed process; the lock on the spool says that nobody uses it.
        File.Delete(path);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        _listener.Listen();
    }

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(_path);
    }

    /// <summary>Serves until <paramref name="stop"/>; clients under way are answered first.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken work)
    {
        var clients = new HashSet<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync(stop).ConfigureAwait(false);
                clients.RemoveWhere(static c => c.IsCompleted);
                clients.Add(Task.Run(() => ServeAsync(client, work), CancellationToken.None));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(clients).ConfigureAwait(false);
        }
    }

    private async Task ServeAsync(Socket client, CancellationToken cancellationToken)
    {
        using var closing = client;
        try
        {
            if (!SocketPeer.IsTrusted(client) || await SocketLine.ReceiveAsync(client, cancellationToken).ConfigureAwait(false) is not { } line)
                return;
            var answer = await AnswerAsync(line, cancellationToken).ConfigureAwait(false);
            await SocketLine.SendAsync(client, JsonSerializer.SerializeToUtf8Bytes(answer, ResidentJson.Default.ResidentAnswer), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception gone) when (gone is SocketException or OperationCanceledException)
        {
            // The client did not wait for its answer, or everything ends; PostgreSQL asks again.
        }
    }

    private async Task<ResidentAnswer> AnswerAsync(byte[] line, CancellationToken cancellationToken)
    {
        ResidentRequest? request = null;
        try
        {
            request = JsonSerializer.Deserialize(line, ResidentJson.Default.ResidentRequest);
        }
        catch (JsonException)
        {
            // Answered below like a request without a name.
        }

        if (!WalFileName.TryParse(Path.GetFileName(request?.Archive), out var file))
            return new ResidentAnswer(false, "wal.resident.request", "The request names no WAL file.");
        return _spool.IsArchived(_work.PathOf(file)) ? new ResidentAnswer(true) : await _work.ArchiveAsync(file, cancellationToken).ConfigureAwait(false);
    }
}
