using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using OmniPg.IO;

namespace OmniPg.Extractor.Trees;

/// <summary>Renames that are never copies, and one flush for many files.</summary>
internal static partial class NativeTreeFiles
{
    // O_DIRECTORY | O_CLOEXEC on Linux.
    private const int ReadOnlyDirectory = 0x10000 | 0x80000;

    /// <summary>Whether many small files become durable by one call instead of one fsync each.</summary>
    public static bool FlushesWholeFileSystem => OperatingSystem.IsLinux();

    /// <summary>Gives a staged file its final name; replaces a file, never a directory. File.Move would copy across file systems, half visible.</summary>
    public static void Rename(string source, string target)
    {
        if (OperatingSystem.IsWindows())
            File.Move(source, target, overwrite: true);
        else if (rename(source, target) != 0)
            throw Failure("rename", target);
    }

    /// <summary>Whether files in one directory can be renamed into the other, found by renaming one.</summary>
    public static bool CanRenameBetween(string source, string target)
    {
        var name = Path.GetRandomFileName();
        var from = Path.Combine(source, name);
        var to = Path.Combine(target, ".omnipg-probe-" + name);
        File.WriteAllBytes(from, []);
        try
        {
            Rename(from, to);
            File.Delete(to);
            return true;
        }
        catch (IOException)
        {
            File.Delete(from);
            return false;
        }
    }

    /// <summary>Makes everything written so far to the directory's file system durable (Linux), or just the directory's names elsewhere.</summary>
    public static void Flush(string directory)
    {
        if (!FlushesWholeFileSystem)
        {
            DurableFile.FlushDirectory(directory);
            return;
        }
        var descriptor = open(directory, ReadOnlyDirectory);
        if (descriptor < 0)
            throw Failure("open", directory);
        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        if (syncfs(descriptor) != 0)
            throw Failure("flush the file system of", directory);
    }

    private static IOException Failure(string operation, string path)
    {
        var number = Marshal.GetLastPInvokeError();
        return new IOException($"Cannot {operation} '{path}': {Marshal.GetPInvokeErrorMessage(number)} (errno {number}).", number);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int rename(string source, string target);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int syncfs(int descriptor);
}
