using System.Runtime.InteropServices;

namespace OmniPg.IO;

/// <summary>The few system calls of crash-safe file handling that the base class library does not offer.</summary>
internal static partial class PosixFile
{
    public const int EEXIST = 17;
    private const int ENOENT = 2;
    private const int EINTR = 4;
    private const int EINVAL = 22;
    private const int CloseOnExec = 0x80000;
    private const int AtCurrentDirectory = -100;
    private const uint RenameNoReplace = 1;

    // O_DIRECTORY differs between the architectures of Linux: its value on x86 means O_DIRECT on ARM.
    private static readonly int DirectoryOnly = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : 0x10000;

    /// <summary>fsync of a directory: makes the names in it durable. .NET cannot open directories.</summary>
    public static void FlushDirectory(string path)
    {
        var fd = open(path, OperatingSystem.IsLinux() ? DirectoryOnly | CloseOnExec : 0);
        if (fd < 0)
            throw Failure("open directory", path);
        try
        {
            while (fsync(fd) != 0)
            {
                var error = Marshal.GetLastPInvokeError();
                // A signal came before the disk answered: nothing was lost, ask again.
                if (error == EINTR)
                    continue;
                // EINVAL: this file system has no fsync for directories, so there is nothing to wait for.
                if (error == EINVAL)
                    break;
                throw Failure("fsync directory", path, error);
            }
        }
        finally
        {
            _ = close(fd);
        }
    }

    /// <summary>Gives the file its final name unless that name is taken; returns false when it is.</summary>
    public static bool RenameNew(string source, string target)
    {
        if (OperatingSystem.IsLinux())
        {
            if (renameat2(AtCurrentDirectory, source, AtCurrentDirectory, target, RenameNoReplace) == 0)
                return true;
            var error = Marshal.GetLastPInvokeError();
            if (error == EEXIST)
                return false;
            // Old network file systems know no flags (EINVAL): a hard link gives the same guarantee in two steps.
            if (error != EINVAL)
                throw Failure("rename", target, error);
        }
        return LinkNew(source, target);
    }

    private static bool LinkNew(string source, string target)
    {
        if (link(source, target) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == EEXIST ? false : throw Failure("link", target, error);
        }
        if (unlink(source) != 0 && Marshal.GetLastPInvokeError() != ENOENT)
            throw Failure("unlink", source);
        return true;
    }

    private static IOException Failure(string operation, string path, int? error = null)
    {
        var number = error ?? Marshal.GetLastPInvokeError();
        var text = Marshal.GetPInvokeErrorMessage(number);
        var message = $"Cannot {operation} '{path}': {text} (errno {number}).";
        // HResult carries the errno, as in the exceptions of the base class library on Unix.
        return number == ENOENT ? new DirectoryNotFoundException(message) : new IOException(message, number);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string source, string target);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int sourceDirectory, string source, int targetDirectory, string target, uint flags);
}
