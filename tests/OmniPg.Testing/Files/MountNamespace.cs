using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Testing;

/// <summary>
/// A mount namespace of one's own: what is mounted in it is seen by the programs that run in it and by nobody else, and is gone with the last of them.
/// Needs the right to mount.
/// </summary>
public sealed class MountNamespace : IDisposable
{
    private readonly Process _holder;

    private MountNamespace(Process holder) => _holder = holder;

    /// <summary>Makes a namespace, if this process may.</summary>
    /// <returns>The namespace, or <see langword="null"/> when that is not permitted here.</returns>
    public static MountNamespace? TryCreate()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess || !File.Exists("/usr/bin/nsenter") || !File.Exists("/usr/bin/unshare"))
            return null;
        // It says a word once the namespace is made, and ends when its input does.
        var info = new ProcessStartInfo("unshare", ["--mount", "--propagation", "private", "sh", "-c", "echo made; exec cat"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var holder = Process.Start(info)!;
        if (holder.StandardOutput.ReadLine() == "made")
            return new MountNamespace(holder);
        holder.Dispose();
        return null;
    }

    /// <summary>Mounts an empty file system in memory that everybody may write to.</summary>
    /// <param name="path">A directory.</param>
    /// <param name="sizeBytes">Its size in bytes.</param>
    public void MountTmpfs(string path, long sizeBytes) =>
        MustRun("mount", "-t", "tmpfs", "-o", "mode=0777,size=" + sizeBytes.ToString(CultureInfo.InvariantCulture), "tmpfs", path);

    /// <summary>Unmounts; the content is gone.</summary>
    /// <param name="path">The mount point.</param>
    public void Unmount(string path) => MustRun("umount", path);

    /// <summary>Runs a program as root, for copying into a mounted file system, say.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    public void MustRun(string program, params string[] arguments)
    {
        using var process = Process.Start(Enter(new ProcessStartInfo(program, arguments) { RedirectStandardError = true }))!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}: {error}");
    }

    /// <summary>Makes a program start inside the namespace.</summary>
    /// <param name="info">What to start.</param>
    /// <returns>The same, inside.</returns>
    public ProcessStartInfo Enter(ProcessStartInfo info)
    {
        ArgumentNullException.ThrowIfNull(info);
        string[] words = ["--mount", "--target", _holder.Id.ToString(CultureInfo.InvariantCulture), "--", info.FileName, .. info.ArgumentList];
        info.FileName = "nsenter";
        info.ArgumentList.Clear();
        foreach (var word in words)
            info.ArgumentList.Add(word);
        return info;
    }

    /// <summary>Gives the namespace up.</summary>
    public void Dispose()
    {
        _holder.StandardInput.Close();
        _holder.WaitForExit();
        _holder.Dispose();
    }
}
