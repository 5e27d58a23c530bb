using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace OmniPg.Shared;

/// <summary>Every system call and every flag of the operating system that the SDK uses where the base class library has nothing to offer.</summary>
/// <remarks>Not for Windows, where callers take the base class library's way.</remarks>
internal static partial class Posix
{
    public const int NotFound = 2;              // ENOENT, the same on Linux and macOS, as are all but EAGAIN
    public const int Interrupted = 4;           // EINTR
    public const int Exists = 17;               // EEXIST
    public const int NotADirectory = 20;        // ENOTDIR
    public const int Invalid = 22;              // EINVAL
    public const int GetDescriptorFlags = 1;    // F_GETFD
    public const int DescriptorClosesOnExec = 1; // FD_CLOEXEC
    private const int PipeSignal = 13;          // SIGPIPE
    private const nint DefaultAction = 0;       // SIG_DFL
    private const int AtCurrentDirectory = -100; // AT_FDCWD of Linux
    private const uint RenameNoReplace = 1;      // RENAME_NOREPLACE, include/uapi/linux/fs.h

    /// <summary>EAGAIN, which is EWOULDBLOCK too.</summary>
    public static int TryAgain => OperatingSystem.IsMacOS() ? 35 : 11;

    /// <summary>SIGSTOP, which cannot be caught.</summary>
    public static int StopSignal => OperatingSystem.IsMacOS() ? 17 : 19;

    /// <summary>
    /// O_DIRECTORY. Linux gives it another value on ARM and POWER (arch/arm64/include/uapi/asm/fcntl.h), where the common value
    /// (include/uapi/asm-generic/fcntl.h) means O_DIRECT.
    /// </summary>
    public static int DirectoryOnly(bool isMacOS, Architecture architecture) => (isMacOS, architecture) switch
    {
        (true, _) => 0x100000,
        (_, Architecture.Arm or Architecture.Arm64 or Architecture.Armv6 or Architecture.Ppc64le) => 0x4000,
        _ => 0x10000,
    };

    /// <summary>O_CLOEXEC: the file does not leak into programs that are started meanwhile.</summary>
    public static int CloseOnExec(bool isMacOS) => isMacOS ? 0x1000000 : 0x80000;

    /// <summary>fsync of a directory: makes the names in it durable.</summary>
    public static void FlushDirectory(string path)
    {
        using var directory = Open(path, DirectoryOnly(OperatingSystem.IsMacOS(), RuntimeInformation.ProcessArchitecture), "open directory");
        while (fsync(directory) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            // A signal came before the disk answered: nothing was lost, ask again.
            if (error == Interrupted)
                continue;
            // EINVAL: this file system has no fsync for directories, so there is nothing to wait for.
            if (error == Invalid)
                return;
            throw Failure("fsync directory", path, error);
        }
    }

    /// <summary>
    /// fsync of a file. What the runtime has for it (<c>RandomAccess.FlushToDisk</c>, <c>FileStream.Flush(true)</c>) tells of no failure on Linux: <c>SystemNative_FSync</c> of its pal_io.c keeps the
    /// outcome of the comparison with zero in place of that of <c>fsync</c> (seen with .NET 10.0.12).
    /// </summary>
    public static void FlushFile(SafeFileHandle file)
    {
        while (fsync(file) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error == Interrupted)
                continue;
            // EINVAL: a special file, which has nothing to wait for.
            if (error == Invalid)
                return;
            throw Failure("fsync", OperatingSystem.IsLinux() ? new FileInfo($"/proc/self/fd/{file.DangerousGetHandle()}").LinkTarget ?? "a file" : "a file", error);
        }
    }

    /// <summary>Makes everything written so far to the file system of a directory durable; Linux only.</summary>
    public static void FlushFileSystem(string directory)
    {
        using var handle = Open(directory, DirectoryOnly(OperatingSystem.IsMacOS(), RuntimeInformation.ProcessArchitecture), "open directory");
        if (syncfs(handle) != 0)
            throw Failure("flush the file system of", directory);
    }

    /// <summary>Has the kernel begin to write a part of a file to disk, and waits for none of it (sync_file_range, Linux only).</summary>
    /// <remarks>Nothing is durable by it, and no failure is told: that is for the fsync that follows, which by then has little left to wait for.</remarks>
    public static void BeginFlush(SafeFileHandle file, long offset, long bytes)
    {
        const uint Write = 2; // SYNC_FILE_RANGE_WRITE of include/uapi/linux/fs.h
        if (OperatingSystem.IsLinux())
            _ = sync_file_range(file, offset, bytes, Write);
    }

    /// <summary>Gives the file its final name unless that name is taken; returns false when it is.</summary>
    public static bool RenameNew(string source, string target)
    {
        if (OperatingSystem.IsLinux())
        {
            if (renameat2(AtCurrentDirectory, source, AtCurrentDirectory, target, RenameNoReplace) == 0)
                return true;
            var error = Marshal.GetLastPInvokeError();
            if (error == Exists)
                return false;
            // Old network file systems know no flags (EINVAL): a hard link gives the same guarantee in two steps.
            if (error != Invalid)
                throw Failure("rename", target, error);
        }
        return LinkNew(source, target);
    }

    /// <summary>Gives the file its final name; replaces a file, never a directory. <see cref="File.Move(string, string, bool)"/> would copy across file systems, half visible.</summary>
    public static void RenameOver(string source, string target)
    {
        if (rename(source, target) != 0)
            throw Failure("rename", target);
    }

    /// <summary>Asks for huge pages behind a block of memory (madvise, Linux only); a kernel that gives none leaves it as it is.</summary>
    public static void AdviseHugePages(nint start, nint length)
    {
        const int HugePages = 14; // MADV_HUGEPAGE of include/uapi/asm-generic/mman-common.h
        _ = madvise(start, length, HugePages);
    }

    /// <summary>Gives a path to another account; a symbolic link itself, not what it leads to.</summary>
    public static void ChangeOwner(string path, uint user, uint group)
    {
        if (lchown(path, user, group) != 0)
            throw Failure("change the owner of", path);
    }

    /// <summary>Opens a file for reading without the shared lock that <see cref="FileStream"/> takes; the handle is invalid when it cannot be opened.</summary>
    public static SafeFileHandle OpenUnlocked(string path) => open(path, CloseOnExec(OperatingSystem.IsMacOS()));

    /// <summary>Writes all bytes to a descriptor, which somebody else may have made non-blocking.</summary>
    /// <exception cref="IOException">The other end is closed, or the disk is full; the errno is its <see cref="Exception.HResult"/>.</exception>
    public static void WriteAll(int descriptor, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var written = write(descriptor, bytes, bytes.Length);
            if (written >= 0)
            {
                bytes = bytes[(int)written..];
                continue;
            }
            var error = Marshal.GetLastPInvokeError();
            if (error == TryAgain)
                Thread.Yield();
            else if (error != Interrupted)
                throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
        }
    }

    /// <summary>Becomes another program, looked for on the path as a shell would; returns only when that cannot be started.</summary>
    /// <param name="words">The program and its arguments; not empty.</param>
    /// <returns>Why not.</returns>
    public static IOException Execute(ReadOnlySpan<string> words)
    {
        // The runtime ignores SIGPIPE, and what is ignored stays so in the other program.
        HandleSignal(PipeSignal, DefaultAction);
        // Never given back: either this process is another program, or it ends.
        var pointers = new nint[words.Length + 1];
        for (var i = 0; i < words.Length; i++)
            pointers[i] = Marshal.StringToCoTaskMemUTF8(words[i]);
        _ = execvp(pointers[0], pointers);
        return Failure("start", words[0]);
    }

    /// <summary>The failure of the last call as an exception whose <see cref="Exception.HResult"/> is the errno, as in the base class library on Unix.</summary>
    public static IOException Failure(string operation, string path, int? error = null)
    {
        var number = error ?? Marshal.GetLastPInvokeError();
        var message = $"Cannot {operation} '{path}': {Marshal.GetPInvokeErrorMessage(number)} (errno {number}).";
        return number == NotFound ? new DirectoryNotFoundException(message) : new IOException(message, number);
    }

    /// <summary>Keeps the signals that programs send each other from the calling thread; those of its own faults stay, and the runtime's. Linux only.</summary>
    /// <returns>Whether it is done.</returns>
    public static bool BlockServerSignals()
    {
        // A bit each, from 1 on: HUP INT QUIT, USR1, USR2, PIPE ALRM TERM, CHLD CONT, TSTP TTIN TTOU URG (include/uapi/asm-generic/signal.h; sigset_t has 1,024 bits in libc).
        var signals = new ulong[16];
        foreach (var signal in (ReadOnlySpan<int>)[1, 2, 3, 10, 12, 13, 14, 15, 17, 18, 20, 21, 22, 23])
            signals[0] |= 1UL << (signal - 1);
        const int Block = 0; // SIG_BLOCK
        return pthread_sigmask(Block, signals, 0) == 0;
    }

    [LibraryImport("libc", EntryPoint = "getppid")]
    public static partial int ParentProcess();

    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "signal")]
    public static partial nint HandleSignal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial int Kill(int processId, int signal);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    public static partial int ControlDescriptor(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "tcgetpgrp")]
    public static partial int ForegroundGroup(int descriptor);

    [LibraryImport("libc", EntryPoint = "getpgrp")]
    public static partial int OwnGroup();

    private static SafeFileHandle Open(string path, int flags, string operation)
    {
        var handle = open(path, flags | CloseOnExec(OperatingSystem.IsMacOS()));
        if (!handle.IsInvalid)
            return handle;
        var failure = Failure(operation, path);
        handle.Dispose();
        throw failure;
    }

    private static bool LinkNew(string source, string target)
    {
        if (link(source, target) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == Exists ? false : throw Failure("link", target, error);
        }
        if (unlink(source) != 0 && Marshal.GetLastPInvokeError() != NotFound)
            throw Failure("unlink", source);
        return true;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int execvp(nint file, nint[] arguments);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle descriptor);

    [LibraryImport("libc")]
    private static partial int sync_file_range(SafeFileHandle descriptor, long offset, long bytes, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int syncfs(SafeFileHandle descriptor);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string source, string target);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint user, uint group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlink(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string source, string target);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int sourceDirectory, string source, int targetDirectory, string target, uint flags);

    [LibraryImport("libc")]
    private static partial int pthread_sigmask(int how, ulong[] signals, nint previous);

    [LibraryImport("libc")]
    private static partial int madvise(nint start, nint length, int advice);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int descriptor, ReadOnlySpan<byte> buffer, nint count);
}
