using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Testing;

/// <summary>A small file system in memory: fills up, and can be made read-only, for real. Needs the right to mount.</summary>
public sealed class TmpfsMount : IDisposable
{
    private bool _mounted;

    private TmpfsMount(string path) => (Path, _mounted) = (path, true);

    /// <summary>The mount point.</summary>
    public string Path { get; }

    /// <summary>Mounts a file system, if this process may.</summary>
    /// <param name="sizeBytes">Its size in bytes.</param>
    /// <returns>The mount, or <see langword="null"/> when mounting is not permitted here.</returns>
    public static TmpfsMount? TryCreate(long sizeBytes)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
            return null;
        var path = Directory.CreateTempSubdirectory("omnipg-tmpfs-").FullName;
        if (Run("mount", "-t", "tmpfs", "-o", "mode=0777,size=" + sizeBytes.ToString(CultureInfo.InvariantCulture), "tmpfs", path))
            return new TmpfsMount(path);
        Directory.Delete(path);
        return null;
    }

    /// <summary>Makes the file system read-only or writable again.</summary>
    /// <param name="readOnly">Which.</param>
    public void Remount(bool readOnly)
    {
        if (!Run("mount", "-o", readOnly ? "remount,ro" : "remount,rw", Path))
            throw new InvalidOperationException($"Cannot remount '{Path}'.");
    }

    /// <summary>Unmounts; the content is gone, and its room as soon as nobody has a file open there. The directory is deleted only once nothing is mounted on it.</summary>
    public void Dispose()
    {
        if (!_mounted)
            return;
        // Lazily: a server's processes keep files of a dropped tablespace open until they look at what was dropped.
        if (!Run("umount", "-l", Path))
            throw new InvalidOperationException($"Cannot unmount '{Path}'; it is left alone.");
        _mounted = false;
        Directory.Delete(Path);
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
