using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OmniPg.Testing;

/// <summary>
/// A program of this repository in a place where the server's account can start it, for <c>archive_command</c> and <c>restore_command</c>:
/// that of <see cref="BuiltProgram"/>; <c>OMNIPG_BIN</c> may name for example <c>artifacts/bin</c>.
/// </summary>
public sealed class ServerCommand : IDisposable
{
    private readonly TemporaryDirectory? _copy;

    private ServerCommand(string path, TemporaryDirectory? copy) => (Path, _copy) = (path, copy);

    /// <summary>Path of the executable file.</summary>
    public string Path { get; }

    /// <summary>Makes a program ready.</summary>
    /// <param name="name">File name without extension, such as <c>omnipg-wal</c>.</param>
    /// <returns>The program; dispose it when the server is gone.</returns>
    /// <exception cref="FileNotFoundException">It was not built.</exception>
    public static ServerCommand Prepare(string name)
    {
        var directory = BuiltProgram.DirectoryOf(name);
        var path = System.IO.Path.Combine(directory, name);
        if (!File.Exists(path))
            throw new FileNotFoundException($"The program '{path}' was not built.");
        if (ServerAccount.Name is null || CanStart(path))
            return new ServerCommand(path, null);
        var copy = new TemporaryDirectory();
        foreach (var file in Directory.EnumerateFiles(directory).Where(f => IsPartOf(name, System.IO.Path.GetFileName(f))))
            TestScript.Copy(file, copy.Combine(System.IO.Path.GetFileName(file)));
        ServerAccount.Own(copy.Path);
        return new ServerCommand(copy.Combine(name), copy);
    }

    /// <summary>A shell command line for a server setting; the words are quoted, <c>%f</c>, <c>%p</c> and <c>%r</c> in them stay what they are.</summary>
    /// <param name="words">The program's arguments.</param>
    /// <returns>The command line.</returns>
    public string Line(params IEnumerable<string> words)
    {
        // The server's account has no DOTNET_ROOT of its own; a native program does not mind.
        var root = System.IO.Path.GetFullPath(System.IO.Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return $"DOTNET_ROOT={Quote(root)} {string.Join(' ', words.Prepend(Path).Select(Quote))}";
    }

    /// <summary>Runs the program under the server's account.</summary>
    /// <param name="words">Its arguments.</param>
    /// <param name="workingDirectory">Where; <see langword="null"/> is the temp directory.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <returns>Exit code and outputs.</returns>
    public Task<ProgramResult> RunAsync(IEnumerable<string> words, string? workingDirectory = null, CancellationToken cancellationToken = default) =>
        ServerProgram.RunAsync(Path, words, workingDirectory, cancellationToken);

    /// <summary>Deletes the copy, if there is one.</summary>
    public void Dispose() => _copy?.Dispose();

    private static string Quote(string word) =>
        word is "%f" or "%p" or "%r" ? $"\"{word}\"" : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static bool IsPartOf(string name, string file) =>
        file.StartsWith(name, StringComparison.Ordinal) || file.EndsWith(".dll", StringComparison.Ordinal);

    private static bool CanStart(string path)
    {
        using var process = Process.Start(ServerAccount.StartInfo("test", ["-x", path]))!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
