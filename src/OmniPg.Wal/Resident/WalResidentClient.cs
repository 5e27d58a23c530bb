using System.Net.Sockets;
using System.Text.Json;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Asks a resident process to archive a file: one JSON line there, one back.</summary>
public static class WalResidentClient
{
    /// <summary>Asks and waits for the answer.</summary>
    /// <param name="socketPath">The process's Unix socket.</param>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>).</param>
    /// <param name="cancellationToken">Stops waiting; the resident process goes on.</param>
    /// <returns>The answer, or <see langword="null"/> when nobody listens or the process went away before it answered: then do the work oneself.</returns>
    /// <exception cref="ArgumentException">A path is empty.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the resident process goes on.</exception>
    public static Task<ResidentAnswer?> TryArchiveAsync(string socketPath, string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        ArgumentException.ThrowIfNullOrEmpty(path);
        return OwnThread.RunAsync(() => TryArchive(socketPath, path, cancellationToken));
    }

    // Blocking, because the program that asks starts anew for every segment, and the machinery of asynchronous sockets costs it more than the answer.
    private static ResidentAnswer? TryArchive(string socketPath, string path, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var onCancel = cancellationToken.UnsafeRegister(static s => ((Socket)s!).Dispose(), socket);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
            SocketLine.Send(socket, JsonSerializer.SerializeToUtf8Bytes(RequestFor(path), ResidentJson.Default.ResidentRequest));
            var line = SocketLine.Receive(socket);
            return line is null ? null : JsonSerializer.Deserialize(line, ResidentJson.Default.ResidentAnswer);
        }
        catch (Exception stopped) when (cancellationToken.IsCancellationRequested && stopped is SocketException or ObjectDisposedException)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (Exception absent) when (absent is SocketException or JsonException)
        {
            return null;
        }
    }

    // By its inode, not by its path: the process may see the data directory elsewhere, and one that serves another cluster must not answer for it.
    private static ResidentRequest RequestFor(string path)
    {
        try
        {
            return FileStat.TryGet(path, out var stat) ? new ResidentRequest(path, stat.Inode, stat.Bytes) : new ResidentRequest(path);
        }
        catch (IOException)
        {
            return new ResidentRequest(path);
        }
    }
}
