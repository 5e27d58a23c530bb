using System.Net.Sockets;

namespace OmniPg.Wal.Resident;

/// <summary>One line each way.</summary>
internal static class SocketLine
{
    private const int LongestLine = 64 * 1024;

    public static async Task SendAsync(Socket socket, byte[] json, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> rest = (byte[])[.. json, (byte)'\n'];
        while (!rest.IsEmpty)
            rest = rest[await socket.SendAsync(rest, SocketFlags.None, cancellationToken).ConfigureAwait(false)..];
    }

    /// <summary>A line without its end; null when the other side closed before it, or sent more than a line can hold.</summary>
    public static async Task<byte[]?> ReceiveAsync(Socket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[LongestLine];
        for (var length = 0; length < buffer.Length;)
        {
            var count = await socket.ReceiveAsync(buffer.AsMemory(length), SocketFlags.None, cancellationToken).ConfigureAwait(false);
            if (count == 0)
                return null;
            var end = buffer.AsSpan(length, count).IndexOf((byte)'\n');
            if (end >= 0)
                return buffer[..(length + end)];
            length += count;
        }

        return null;
    }
}
