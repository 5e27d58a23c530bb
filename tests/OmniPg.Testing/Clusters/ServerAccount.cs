using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OmniPg.Testing;

/// <summary>The account under which server programs run. PostgreSQL refuses to run as root, so root steps down to <c>postgres</c> or <c>nobody</c>.</summary>
public static partial class ServerAccount
{
    /// <summary>Account name, or <see langword="null"/> when programs run as the current user.</summary>
    public static string? Name { get; } = OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess ? Lookup() : null;

    private static bool HasSetPriv { get; } = File.Exists("/usr/bin/setpriv") || File.Exists("/bin/setpriv");

    /// <summary>Describes a program start under this account, with its output captured.</summary>
    /// <param name="program">Path of the program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="dieWithParentThread">Whether the program gets SIGINT when the starting thread ends (needs setpriv).</param>
    /// <returns>What to pass to <see cref="Process.Start(ProcessStartInfo)"/>.</returns>
    public static ProcessStartInfo StartInfo(string program, IEnumerable<string> arguments, bool dieWithParentThread = false)
    {
        var info = new ProcessStartInfo { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        if (Name is not null && HasSetPriv)
        {
            info.FileName = "setpriv";
            string[] drop = [$"--reuid={Name}", $"--regid={Name}", "--init-groups"];
            foreach (var option in dieWithParentThread ? [.. drop, "--pdeathsig", "INT", "--"] : (string[])[.. drop, "--"])
                info.ArgumentList.Add(option);
            info.ArgumentList.Add(program);
        }
        else
        {
            info.FileName = program;
#pragma warning disable CA1416 // Name is set on Linux only, where the property works.
            if (Name is not null)
                info.UserName = Name;
#pragma warning restore CA1416
        }
        foreach (var argument in arguments)
            info.ArgumentList.Add(argument);
        return info;
    }

    /// <summary>Gives a directory or file, with everything below it, to this account. Does nothing when programs run as the current user.</summary>
    /// <param name="path">The path.</param>
    public static void Own(string path)
    {
        if (Name is null)
            return;
        using var process = Process.Start("chown", ["-R", $"{Name}:", path]);
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"Cannot give '{path}' to the account '{Name}'.");
    }

    /// <summary>Sends a signal to one process.</summary>
    /// <param name="processId">Process id.</param>
    /// <param name="signal">Signal number, such as 2 for SIGINT or 9 for SIGKILL.</param>
    /// <returns>Whether the process existed.</returns>
    public static bool Signal(int processId, int signal) => kill(processId, signal) == 0;

    private static string Lookup()
    {
        var accounts = File.ReadLines("/etc/passwd").Select(l => l.Split(':')[0]).ToHashSet();
        return accounts.Contains("postgres") ? "postgres" : "nobody";
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int sig);
}
