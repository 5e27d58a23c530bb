using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using OmniPg.Shared;

namespace OmniPg.Wal.ArchiveModule;

/// <summary>One question on the resident process's socket, by system calls that never block for longer than a look: the base class library has a thread wait for sockets, which a server must not get.</summary>
/// <remarks>What is said is that of <see cref="ResidentQuestion"/>. Numbers are Linux's, the same on x86-64 and ARM.</remarks>
internal static unsafe partial class ResidentConnection
{
    private const int LookMilliseconds = 250;
    private const int LongestPath = 107;
    private const int TryAgain = 11; // EAGAIN
    private const int NoRight = 13; // EACCES

    /// <summary>Asks for a file.</summary>
    /// <param name="socketPath">The process's Unix socket.</param>
    /// <param name="path">Path of the file as PostgreSQL passes it.</param>
    /// <param name="wait">Called four times a second while there is no answer; ends the wait by an exception.</param>
    /// <returns>The answer; null when nobody listens or the process went away before it had answered in full.</returns>
    /// <exception cref="ArgumentException">That cannot be the path of a socket.</exception>
    /// <exception cref="UnauthorizedAccessException">The server's account may not ask there.</exception>
    public static (bool Ok, string? Code, string? Message)? Ask(string socketPath, string path, Action wait)
    {
        var address = AddressOf(socketPath);
        while (true)
        {
            const int Stream = 1 | 0x800 | 0x80000; // SOCK_STREAM, SOCK_NONBLOCK, SOCK_CLOEXEC
            var descriptor = socket(Unix, Stream, 0);
            if (descriptor < 0)
                return null;
            try
            {
                if (connect(descriptor, address, address.Length) == 0)
                    return Write(descriptor, ResidentQuestion.Request(path)) && ReadLine(descriptor, wait) is { } line ? Understood(line) : null;
                var error = Marshal.GetLastPInvokeError();
                if (error == NoRight)
                    throw new UnauthorizedAccessException();
                // EAGAIN: the queue of a process that accepts nobody any more is full, as long as the operating system makes it, of questions given up.
                if (error is not (TryAgain or Posix.Interrupted))
                    return null;
            }
            finally
            {
                _ = close(descriptor);
            }

            _ = poll(null, 0, LookMilliseconds);
            wait();
        }
    }

    private const ushort Unix = 1; // AF_UNIX

    // struct sockaddr_un: the family, the path, a zero.
    private static byte[] AddressOf(string path)
    {
        var bytes = Encoding.UTF8.GetBytes(path);
        if (bytes.Length is 0 or > LongestPath)
            throw new ArgumentException("A socket's path has 1 to 107 bytes.", nameof(path));
        return [.. MemoryMarshal.AsBytes((ReadOnlySpan<ushort>)[Unix]), .. bytes, 0];
    }

    // Some hundred bytes into a fresh socket: they all have room.
    private static bool Write(int descriptor, ReadOnlySpan<byte> question)
    {
        const int NoSignal = 0x4000; // MSG_NOSIGNAL
        byte[] line = [.. question, (byte)'\n'];
        return send(descriptor, line, line.Length, NoSignal) == line.Length;
    }

    private static byte[]? ReadLine(int descriptor, Action wait)
    {
        const short Readable = 1; // POLLIN
        var line = new List<byte>();
        var buffer = new byte[512];
        while (line.Count < SocketLine.LongestLine)
        {
            var asked = new PollEntry { Descriptor = descriptor, Events = Readable, Found = 0 };
            if (poll(&asked, 1, LookMilliseconds) <= 0)
            {
                wait();
                continue;
            }

            var count = recv(descriptor, buffer, buffer.Length, 0);
            if (count < 0 && Marshal.GetLastPInvokeError() is TryAgain or Posix.Interrupted)
                continue;
            if (count <= 0)
                return null;
            var read = buffer.AsSpan(0, (int)count);
            var end = read.IndexOf((byte)'\n');
            line.AddRange(end < 0 ? read : read[..end]);
            if (end >= 0)
                return [.. line];
        }

        return null;
    }

    private static (bool Ok, string? Code, string? Message)? Understood(byte[] line)
    {
        try
        {
            return ResidentQuestion.Read(line);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int connect(int descriptor, byte[] address, int length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint send(int descriptor, byte[] buffer, nint count, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint recv(int descriptor, byte[] buffer, nint count, int flags);

    [LibraryImport("libc")]
    private static partial int close(int descriptor);

    /// <summary>struct pollfd.</summary>
    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Found;
    }
}
