using System.Buffers;
using System.Net.Sockets;
using System.Text.Json;

namespace OmniPg.Shared;

/// <summary>The client's side of the resident mode: asks for one file and waits for what became of it.</summary>
internal static class ResidentQuestion
{
    /// <summary>Asks; blocking, because the program that asks starts anew for every segment, and asynchronous sockets cost it more than the answer.</summary>
    /// <param name="socketPath">The process's Unix socket.</param>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>).</param>
    /// <param name="cancellationToken">Stops waiting; the resident process goes on.</param>
    /// <returns>Whether it is archived, else code and text of the error; null when nobody listens or the process went away before it answered.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="UnauthorizedAccessException">This account may not ask there: the socket, or a folder above it, is another's.</exception>
    public static (bool Ok, string? Code, string? Message)? Ask(string socketPath, string path, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var onCancel = cancellationToken.UnsafeRegister(static s => ((Socket)s!).Dispose(), socket);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
            SocketLine.Send(socket, Request(path));
            return SocketLine.Receive(socket) is { } line ? Read(line) : null;
        }
        catch (Exception stopped) when (cancellationToken.IsCancellationRequested && stopped is SocketException or ObjectDisposedException)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.AccessDenied)
        {
            throw new UnauthorizedAccessException(refused.Message, refused);
        }
        catch (Exception absent) when (absent is SocketException or JsonException)
        {
            return null;
        }
    }

    /// <summary>The question about a file, without the end of the line.</summary>
    public static ReadOnlySpan<byte> Request(string path)
    {
        var text = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(text);
        json.WriteStartObject();
        json.WriteString("archive"u8, path);
        // By its inode, not by its path: the process may see the data directory elsewhere, and one that serves another cluster must not answer for it.
        if (Look(path) is { } file)
        {
            json.WriteNumber("inode"u8, file.Inode);
            json.WriteNumber("size"u8, file.Bytes);
        }

        json.WriteEndObject();
        json.Flush();
        return text.WrittenSpan;
    }

    private static FileStat? Look(string path)
    {
        try
        {
            return FileStat.TryGet(path, out var file) ? file : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>What an answer says, without the end of its line; null when it is none.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static (bool Ok, string? Code, string? Message)? Read(ReadOnlySpan<byte> line)
    {
        var json = new Utf8JsonReader(line);
        bool? ok = null;
        string? code = null, message = null;
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            return null;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = json.GetString();
            json.Read();
            switch (name, json.TokenType)
            {
                case ("ok", JsonTokenType.True or JsonTokenType.False): ok = json.GetBoolean(); break;
                case ("code", JsonTokenType.String): code = json.GetString(); break;
                case ("message", JsonTokenType.String): message = json.GetString(); break;
                default: json.Skip(); break;
            }
        }

        // Nothing is archived that does not say so in full.
        while (json.Read())
        {
        }

        return ok is { } said ? (said, code, message) : null;
    }
}
