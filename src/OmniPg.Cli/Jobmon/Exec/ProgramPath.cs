namespace OmniPg.Cli;

/// <summary>Finds a program as a shell does.</summary>
internal static class ProgramPath
{
    /// <summary>The path of the program; null when no folder of <paramref name="path"/> holds it.</summary>
    /// <param name="name">A path, which is taken as it stands, or a name.</param>
    /// <param name="path">Variable <c>PATH</c>.</param>
    /// <remarks>
    /// The runtime looks for a bare name in its own folder and in the working directory first. A file that happens to be called like a
    /// program there must not run instead of it.
    /// </remarks>
    public static string? Find(string name, string? path)
    {
        if (OperatingSystem.IsWindows() || name.Contains('/', StringComparison.Ordinal))
            return name;
        return (path ?? "/usr/local/bin:/usr/bin:/bin").Split(':')
            .Select(folder => Path.Combine(folder.Length == 0 ? "." : folder, name))
            .FirstOrDefault(IsProgram);
    }

    private static bool IsProgram(string file) => !OperatingSystem.IsWindows() && File.Exists(file)
        && (File.GetUnixFileMode(file) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;
}
