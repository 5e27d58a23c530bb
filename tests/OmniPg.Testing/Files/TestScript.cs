using System.Diagnostics;

namespace OmniPg.Testing;

/// <summary>Programs that a test makes and starts at once.</summary>
/// <remarks>
/// They are written by a process of one thread: a program that another test starts meanwhile inherits for a moment what this process has open, and a
/// file that is open for writing cannot be executed (ETXTBSY).
/// </remarks>
public static class TestScript
{
    /// <summary>Writes an executable shell script.</summary>
    /// <param name="path">Where; its folder exists.</param>
    /// <param name="lines">What follows the line that names the shell.</param>
    /// <returns>The path.</returns>
    public static string Write(string path, string lines)
    {
        var text = path + ".text";
        File.WriteAllText(text, $"#!/bin/sh\n{lines}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(text, (UnixFileMode)0b111_101_101);
        Copy(text, path);
        File.Delete(text);
        return path;
    }

    /// <summary>Copies a program with its rights.</summary>
    /// <param name="from">The program.</param>
    /// <param name="to">Path of the copy; its folder exists.</param>
    public static void Copy(string from, string to)
    {
        using var copy = Process.Start("cp", ["-p", from, to]);
        copy.WaitForExit();
    }
}
