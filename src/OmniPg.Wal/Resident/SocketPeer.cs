using System.Net.Sockets;
using System.Runtime.InteropServices;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Who is at the other end of a Unix socket.</summary>
internal static class SocketPeer
{
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int CredentialBytes = 12;
    private const int UserOffset = 4;

    /// <summary>Whether the peer is this process's user or root (SO_PEERCRED, Linux). Elsewhere the socket's mode 0600 says so alone.</summary>
    public static bool IsTrusted(Socket socket)
    {
        if (!OperatingSystem.IsLinux())
            return true;
        Span<byte> credentials = stackalloc byte[CredentialBytes];
        if (socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials) != CredentialBytes)
            return false;
        var user = MemoryMarshal.Read<uint>(credentials[UserOffset..]);
        return user == 0 || user == Posix.EffectiveUser();
    }
}
