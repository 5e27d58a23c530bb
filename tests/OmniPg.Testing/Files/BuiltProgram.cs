namespace OmniPg.Testing;

/// <summary>Where the programs of this repository are, as they were built for this run.</summary>
public static class BuiltProgram
{
    /// <summary>
    /// The directory that <c>OMNIPG_BIN</c> names; else <c>artifacts/native/programs</c> of the repository, where the program stands there and is no older than
    /// what it was made of (<c>eng/native-program</c>); else that of the running assembly.
    /// </summary>
    /// <param name="name">File name without extension, such as <c>omnipg-wal</c>.</param>
    /// <returns>An absolute path.</returns>
    public static string DirectoryOf(string name)
    {
        if (Environment.GetEnvironmentVariable("OMNIPG_BIN") is { Length: > 0 } given)
            return Path.GetFullPath(given);
        var native = Above(AppContext.BaseDirectory, Path.Combine("artifacts", "native", "programs"));
        var program = new FileInfo(Path.Combine(native, name));
        return program.Exists && Parts(name).All(part => part.LastWriteTimeUtc < program.LastWriteTimeUtc) ? native : AppContext.BaseDirectory;
    }

    private static IEnumerable<FileInfo> Parts(string name) =>
        from file in new DirectoryInfo(AppContext.BaseDirectory).EnumerateFiles("*.dll")
        where file.Name == name + ".dll" || (file.Name.StartsWith("OmniPg.", StringComparison.Ordinal) && file.Name is not "OmniPg.Testing.dll" && !file.Name.EndsWith(".Tests.dll", StringComparison.Ordinal))
        select file;

    // A directory of one of the folders above; where there is none, one that is not there.
    private static string Above(string directory, string path)
    {
        for (var parent = directory; parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (Directory.Exists(Path.Combine(parent, path)))
                return Path.Combine(parent, path);
        }
        return Path.Combine(directory, path);
    }
}
