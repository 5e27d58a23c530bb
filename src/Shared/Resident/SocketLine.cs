using System.Net.Sockets;

namespace OmniPg.Shared;

/// <summary>How the resident process and its clients talk: one line of JSON there, one back.</summary>
internal static class SocketLine
{
    public const int LongestLine = 64 * 1024;
    private const int UsualLine = 512;

    public static void Send(Socket socket, ReadOnlySpan<byte> json)
    {
        ReadOnlySpan<byte> rest = (byte[])[.. json, (byte)'\n'];
        while (!rest.IsEmpty)
            rest = rest[socket.Send(rest, SocketFlags.None)..];
    }

    /// <summary>A line without its end; null when the other side closed before it, or sent more than a line can hold.</summary>
    public static byte[]? Receive(Socket socket)
    {
        var buffer = new byte[UsualLine];
        for (var length = 0; length < LongestLine;)
        {
            if (length == buffer.Length)
                Array.Resize(ref buffer, length * 2);
            var count = socket.Receive(buffer.AsSpan(length), SocketFlags.None);
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
