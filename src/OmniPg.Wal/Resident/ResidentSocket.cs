using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Answers <c>archive_command</c> clients on a Unix socket.</summary>
/// <remarks>
/// Blocking calls on threads of its own, one for the socket and one for each client: the pool's few threads are busy with encoders for the length of
/// whole segments, and a client that is already answered by the spool would wait behind them. A thread is little beside the process that asks.
/// </remarks>
internal sealed partial class ResidentSocket : IDisposable
{
    private static readonly TimeSpan PauseAfterRefusal = TimeSpan.FromMilliseconds(100);
    private readonly string _path;
    private readonly FileLock _single;
    private readonly Socket _listener;
    private readonly ResidentWork _work;
    private readonly WalPushSpool _spool;

    /// <exception cref="WalLockedException">Another process serves the socket.</exception>
    /// <exception cref="WalConfigurationException">Something else than a socket lies there, or the lock file beside it is another account's.</exception>
    public ResidentSocket(string path, ResidentWork work, WalPushSpool spool)
    {
        (_path, _work, _spool) = (path, work, spool);
        // Beside the socket, because processes with spools of their own may be given the same one: the second would take the questions of the first, and archive to its own destinations.
        _single = ResidentLock.Take(path + ".lock", $"socket '{path}'", "--socket", holder => WalLockedException.OfSocket(path, holder));
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            MakeRoom(path);
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            _listener.Listen();
        }
        catch
        {
            _listener.Dispose();
            _single.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(_path);
        _single.Dispose();
    }

    // A socket's file outlives a killed process. One behind which somebody accepts, or lets wait, is a program's that knows no lock.
    private static void MakeRoom(string path)
    {
        if (!FileStat.TryGet(path, out var there))
            return;
        // Whatever else lies there refuses a connection like a dead socket, a device file too.
        if (!there.IsSocket)
            throw new WalConfigurationException($"'{path}' is there and is no socket.", "Name another path with '--socket', or move away what is there.");
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException nobody) when (nobody.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }
        catch (SocketException)
        {
            // Not reached is not absent.
        }

        throw WalLockedException.OfSocket(path, null);
    }

    /// <summary>Serves until <paramref name="stop"/>; clients under way are answered first.</summary>
    public Task RunAsync(CancellationToken stop, CancellationToken work) => OwnThread.RunAsync(() => Serve(stop, work));

    private void Serve(CancellationToken stop, CancellationToken work)
    {
        // Closing the socket is what ends a blocked accept.
        using var onStop = stop.UnsafeRegister(static s => ((Socket)s!).Dispose(), _listener);
        var clients = new HashSet<Task>();
        while (!stop.IsCancellationRequested)
        {
            clients.RemoveWhere(static c => c.IsCompleted);
            if (TryAccept(stop) is { } client)
                clients.Add(OwnThread.RunAsync(() => ServeClient(client, work)));
        }

        Task.WaitAll(clients, CancellationToken.None);
    }

    private Socket? TryAccept(CancellationToken stop)
    {
        try
        {
            return _listener.Accept();
        }
        catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
        {
            // Stopped, or out of file handles for now: without an answer the clients work alone, so a short pause is all that is needed.
            stop.WaitHandle.WaitOne(PauseAfterRefusal);
            return null;
        }
    }

    private void ServeClient(Socket client, CancellationToken cancellationToken)
    {
        using var closing = client;
        using var onEnd = cancellationToken.UnsafeRegister(static s => ((Socket)s!).Dispose(), client);
        try
        {
            if (!IsTrusted(client) || SocketLine.Receive(client) is not { } line)
                return;
            SocketLine.Send(client, JsonSerializer.SerializeToUtf8Bytes(Answer(line, cancellationToken), RequestJson.Default.ResidentAnswer));
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The client did not wait for its answer, or everything ends; PostgreSQL asks again.
        }
    }

    private ResidentAnswer Answer(byte[] line, CancellationToken cancellationToken)
    {
        Request? request = null;
        try
        {
            request = JsonSerializer.Deserialize(line, RequestJson.Default.Request);
        }
        catch (JsonException)
        {
            // Answered below like a request without a name.
        }

        if (!WalFileName.TryParse(Path.GetFileName(request?.Archive), out var file))
            return new ResidentAnswer(false, "wal.resident.request", "The request names no WAL file.");
        if (FileStat.TryGet(_work.PathOf(file), out var own) && !request!.IsAbout(own))
            return new ResidentAnswer(
                false, "wal.archive.mismatch", $"The file '{file}' of the request is not that of the cluster which this process serves, '{_work.PathOf(file)}'.");
        return _spool.IsArchived(_work.PathOf(file)) ? new ResidentAnswer(true) : _work.ArchiveAsync(file, cancellationToken).GetAwaiter().GetResult();
    }

    // Whether the peer is this process's user or root (SO_PEERCRED, Linux). Elsewhere the socket's mode 0600 says so alone.
    private static bool IsTrusted(Socket socket)
    {
        // struct ucred of the kernel's include/linux/socket.h: pid, uid, gid, four bytes each; the numbers from asm-generic/socket.h.
        const int SocketLevel = 1;
        const int PeerCredentials = 17;
        const int CredentialBytes = 12;
        const int UserOffset = 4;
        if (!OperatingSystem.IsLinux())
            return true;
        Span<byte> credentials = stackalloc byte[CredentialBytes];
        if (socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials) != CredentialBytes)
            return false;
        var user = MemoryMarshal.Read<uint>(credentials[UserOffset..]);
        return user == 0 || user == Posix.EffectiveUser();
    }

    /// <summary>The one line that a client sends.</summary>
    internal sealed record Request(string Archive, ulong? Inode = null, long? Size = null)
    {
        /// <summary>Whether the client means this very file. Clients that do not see it send the name alone.</summary>
        public bool IsAbout(FileStat file) => (Inode is null || Inode == file.Inode) && (Size is null || Size == file.Bytes);
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
    [JsonSerializable(typeof(Request))]
    [JsonSerializable(typeof(ResidentAnswer))]
    private sealed partial class RequestJson : JsonSerializerContext;
}
