using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>Reads a small file without taking the shared lock that <see cref="FileStream"/> takes on Unix.</summary>
internal static partial class UnlockedRead
{
    private const int MaxBytes = 64;

    /// <summary>The first bytes of the file; empty when it is absent, unreadable, or locked on a system whose locks are mandatory.</summary>
    public static byte[] Head(string path)
    {
        if (OperatingSystem.IsWindows())
            return [];
        using var handle = new SafeFileHandle(Open(path, 0), ownsHandle: true);
        if (handle.IsInvalid)
            return [];
        var buffer = new byte[MaxBytes];
        return buffer[..RandomAccess.Read(handle, buffer, 0)];
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint Open(string path, int flags);
}
