using System.Runtime.InteropServices;

namespace OmniPg.Shared;

/// <summary>Looks at a path without opening it, and tells "not there" from every other failure without throwing for it.</summary>
internal readonly partial record struct FileStat(bool IsRegular, ulong Device, ulong Inode, long Bytes, DateTimeOffset Modified)
{
    // include/uapi/linux/fcntl.h and stat.h; the same on every processor.
    private const int AtCurrentDirectory = -100; // AT_FDCWD
    private const int NoFollow = 0x100;          // AT_SYMLINK_NOFOLLOW
    private const uint BasicStats = 0x7FF;       // STATX_BASIC_STATS
    private const int FileTypeMask = 0xF000;     // S_IFMT
    private const int RegularFile = 0x8000;      // S_IFREG
    private const int SocketFile = 0xC000;       // S_IFSOCK

    /// <summary>Whether it is a Unix socket; outside of Linux whether it may be one.</summary>
    public bool IsSocket { get; private init; }

    /// <summary>Looks at a path; a symbolic link is a file of its own.</summary>
    /// <returns>False when nothing of that name is there.</returns>
    /// <exception cref="IOException">Whether it is there cannot be told.</exception>
    public static bool TryGet(string path, out FileStat stat) => OperatingSystem.IsLinux() ? TryLinux(path, out stat) : TryBaseLibrary(path, out stat);

    /// <summary>User and group that own a path, a symbolic link itself; zeros where there is no such thing.</summary>
    /// <exception cref="IOException">It is not there or cannot be looked at.</exception>
    public static (uint User, uint Group) OwnerOf(string path)
    {
        if (!OperatingSystem.IsLinux())
            return (0, 0);
        return statx(AtCurrentDirectory, path, NoFollow, BasicStats, out var found) == 0 ? (found.User, found.Group) : throw Posix.Failure("look at", path);
    }

    private static bool TryLinux(string path, out FileStat stat)
    {
        stat = default;
        if (statx(AtCurrentDirectory, path, NoFollow, BasicStats, out var found) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error is Posix.NotFound or Posix.NotADirectory
                ? false
                : throw Posix.Failure("look at", path, error);
        }

        stat = new FileStat(
            (found.Mode & FileTypeMask) == RegularFile,
            ((ulong)found.DeviceMajor << 32) | found.DeviceMinor,
            found.Inode,
            (long)found.Bytes,
            DateTimeOffset.FromUnixTimeSeconds(found.ModifiedSeconds).AddTicks(found.ModifiedNanoseconds / 100))
        { IsSocket = (found.Mode & FileTypeMask) == SocketFile };
        return true;
    }

    private static bool TryBaseLibrary(string path, out FileStat stat)
    {
        stat = default;
        FileSystemInfo info = Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path);
        try
        {
            var isRegular = info is FileInfo && info.LinkTarget is null && (info.Attributes & FileAttributes.Device) == 0;
            stat = new FileStat(isRegular, 0, 0, info is FileInfo file ? file.Length : 0, info.LastWriteTimeUtc) { IsSocket = info is FileInfo && info.LinkTarget is null };
            return info.Exists;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, out Statx result);

    /// <summary>struct statx, which unlike struct stat is laid out alike on every processor (statx(2), Linux 4.11).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
        [FieldOffset(20)]
        public uint User;

        [FieldOffset(24)]
        public uint Group;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Bytes;

        [FieldOffset(112)]
        public long ModifiedSeconds;

        [FieldOffset(120)]
        public uint ModifiedNanoseconds;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}
