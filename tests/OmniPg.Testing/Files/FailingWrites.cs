using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>Runs a program whose writes to one file fail, by the hand of strace: a full disk, a reader that went away, a broken device at exactly the write that is wanted.</summary>
public static class FailingWrites
{
    private const string Program = "/usr/bin/strace";
    private const string Calls = "write,pwrite64,writev,pwritev";

    /// <summary>Alone, and with all that follow: an error that goes away again is another way than one that stays.</summary>
    public static IReadOnlyList<(string Error, string When)> Faults { get; } = [("ENOSPC", "1"), ("EPIPE", "1+"), ("EIO", "2+")];

    /// <summary>Whether writes can be made to fail here: strace is installed, and may trace. A container can forbid it.</summary>
    public static bool IsPossible { get; } = File.Exists(Program) && Traces();

    /// <summary>Starts a program with its output and its messages in files.</summary>
    /// <param name="watched">The file whose writes fail; it must be there.</param>
    /// <param name="error">The error, such as <c>ENOSPC</c>.</param>
    /// <param name="when">Which writes: <c>1</c> the first, <c>2+</c> all from the second on.</param>
    /// <param name="output">File that standard output is appended to.</param>
    /// <param name="messages">File that standard error is appended to.</param>
    /// <param name="program">Path of the program.</param>
    /// <param name="words">Its arguments.</param>
    /// <param name="environment">Variables on top of those of this process; <see langword="null"/> for none.</param>
    /// <returns>strace; the program is its only child and gives it its exit code.</returns>
    public static Process Start(
        string watched, string error, string when, string output, string messages, string program, IEnumerable<string> words, IReadOnlyDictionary<string, string>? environment = null)
    {
        // Stops at the watched calls only: a filter of the kernel lets all others pass at full speed.
        string[] trace = ["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-P", watched, "-e", $"trace={Calls}", "-e", $"inject={Calls}:error={error}:when={when}"];
        var info = new ProcessStartInfo("/bin/sh", ["-c", "o=$1 e=$2; shift 2; exec strace \"$@\" >>\"$o\" 2>>\"$e\" </dev/null", "sh", output, messages, .. trace, program, .. words]);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
            info.Environment[name] = value;
        return Process.Start(info)!;
    }

    private static bool Traces()
    {
        using var process = Process.Start(new ProcessStartInfo(Program, ["-f", "--seccomp-bpf", "-o", "/dev/null", "true"]) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
