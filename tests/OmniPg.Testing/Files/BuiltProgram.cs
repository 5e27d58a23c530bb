namespace OmniPg.Testing;

/// <summary>Where the programs of this repository are, as they were built for this run.</summary>
public static class BuiltProgram
{
    /// <summary>
    /// The directory that <c>OMNIPG_BIN</c> names; else <c>native</c> beside the running assembly, where the program stands there and is no older than
    /// what it was made of (<c>eng/native-program</c>); else that of the running assembly.
    /// </summary>
    /// <param name="name">File name without extension, such as <c>omnipg-wal</c>.</param>
    /// <returns>An absolute path.</returns>
    public static string DirectoryOf(string name)
    {
        if (Environment.GetEnvironmentVariable("OMNIPG_BIN") is { Length: > 0 } given)
            return Path.GetFullPath(given);
        var native = Path.Combine(AppContext.BaseDirectory, "native");
        var program = new FileInfo(Path.Combine(native, name));
        return program.Exists && Parts(name).All(part => part.LastWriteTimeUtc < program.LastWriteTimeUtc) ? native : AppContext.BaseDirectory;
    }

    private static IEnumerable<FileInfo> Parts(string name) =>
        from file in new DirectoryInfo(AppContext.BaseDirectory).EnumerateFiles("*.dll")
        where file.Name == name + ".dll" || (file.Name.StartsWith("OmniPg.", StringComparison.Ordinal) && file.Name is not "OmniPg.Testing.dll" && !file.Name.EndsWith(".Tests.dll", StringComparison.Ordinal))
        select file;
}
