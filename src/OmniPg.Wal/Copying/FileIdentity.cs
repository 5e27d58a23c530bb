using System.Globalization;
using System.Runtime.InteropServices;

namespace OmniPg.Wal.Copying;

/// <summary>What tells one state of a file from another: inode, size and modification time.</summary>
internal readonly partial record struct FileIdentity(ulong Device, ulong Inode, long Bytes, DateTimeOffset Modified, uint Nanoseconds)
{
    private const int AtCurrentDirectory = -100;
    private const int NoFollow = 0x100;
    private const uint BasicStats = 0x7FF;
    private const int FileTypeMask = 0xF000;
    private const int RegularFile = 0x8000;
    private const int NotFound = 2;

    /// <summary>Looks at a path without opening it.</summary>
    /// <exception cref="WalInputException">It is missing or no regular file.</exception>
    public static FileIdentity OfPath(string path) => OperatingSystem.IsLinux() ? FromLinux(path) : FromBaseLibrary(path);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"inode {Inode}, {Bytes} bytes, modified {Modified:O}");

    private static FileIdentity FromLinux(string path)
    {
        if (statx(AtCurrentDirectory, path, NoFollow, BasicStats, out var stat) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw error == NotFound ? WalInputException.Missing(path) : WalInputException.Unreadable(path, new IOException(Marshal.GetPInvokeErrorMessage(error), error));
        }

        if ((stat.Mode & FileTypeMask) != RegularFile)
            throw WalInputException.NotRegular(path);
        var modified = DateTimeOffset.FromUnixTimeSeconds(stat.ModifiedSeconds).AddTicks(stat.ModifiedNanoseconds / 100);
        return new FileIdentity(((ulong)stat.DeviceMajor << 32) | stat.DeviceMinor, stat.Inode, (long)stat.Bytes, modified, stat.ModifiedNanoseconds);
    }

    private static FileIdentity FromBaseLibrary(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
            throw Directory.Exists(path) ? WalInputException.NotRegular(path) : WalInputException.Missing(path);
        if (file.LinkTarget is not null || (file.Attributes & FileAttributes.Device) != 0)
            throw WalInputException.NotRegular(path);
        return new FileIdentity(0, 0, file.Length, file.LastWriteTimeUtc, 0);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, out Statx result);

    /// <summary>struct statx, which unlike struct stat is laid out alike on every processor (statx(2), Linux 4.11).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statx
    {
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
