using System.Net.Sockets;
using System.Text.Json;
using OmniPg.Wal.Resident;

namespace OmniPg.Wal;

/// <summary>Asks a resident process to archive a file: one JSON line there, one back.</summary>
public static class WalResidentClient
{
    /// <summary>Asks and waits for the answer.</summary>
    /// <param name="socketPath">The process's Unix socket.</param>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>).</param>
    /// <param name="cancellationToken">Stops waiting; the resident process goes on.</param>
    /// <returns>The answer, or <see langword="null"/> when nobody listens or the process went away before it answered: then do the work oneself.</returns>
    public static async Task<ResidentAnswer?> TryArchiveAsync(string socketPath, string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
            await SocketLine.SendAsync(socket, JsonSerializer.SerializeToUtf8Bytes(new ResidentRequest(path), ResidentJson.Default.ResidentRequest), cancellationToken)
                .ConfigureAwait(false);
            var line = await SocketLine.ReceiveAsync(socket, cancellationToken).ConfigureAwait(false);
            return line is null ? null : JsonSerializer.Deserialize(line, ResidentJson.Default.ResidentAnswer);
        }
        catch (Exception absent) when (absent is SocketException or JsonException)
        {
            return null;
        }
    }
}
