namespace OmniPg.Wal.Tests;

/// <summary>Little shell programs of the tests.</summary>
internal static class TestScript
{
    /// <summary>Writes an executable script.</summary>
    /// <returns>Its path.</returns>
    public static string Write(string path, string lines)
    {
        File.WriteAllText(path, $"#!/bin/sh\n{lines}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        return path;
    }
}
