namespace OmniPg.Extractor.Dumping;

/// <summary>Every path at which a client program may be, the most wanted first.</summary>
internal static class ToolPaths
{
    // Parent, pattern of the version's directory, directory of the programs in it.
    private static readonly (string Parent, string Pattern, string Bin)[] UsualPlaces =
    [
        ("/usr/lib/postgresql", "*", "bin"),
        ("/usr", "pgsql-*", "bin"),
        ("/opt/homebrew/opt", "postgresql@*", "bin"),
        ("/opt/homebrew/opt", "libpq", "bin"),
        ("/usr/local/opt", "postgresql@*", "bin"),
        ("/usr/local/opt", "libpq", "bin"),
        ("/usr/local/pgsql", "bin", ""),
        ("/Library/PostgreSQL", "*", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "*", "bin"),
    ];

    public static IReadOnlyList<string> Candidates(string name, string? explicitPath, string? binDirectory)
    {
        if (!string.IsNullOrEmpty(explicitPath))
            return [Path.GetFullPath(explicitPath)];
        var fileName = OperatingSystem.IsWindows() ? name + ".exe" : name;
        if (!string.IsNullOrEmpty(binDirectory))
            return [Path.Combine(Path.GetFullPath(binDirectory), fileName)];
        return [.. PathDirectories().Concat(UsualDirectories())
            .Select(directory => Path.Combine(directory, fileName))
            .Where(path => File.Exists(path) && !IsDebianWrapper(path))
            .Distinct(StringComparer.Ordinal)];
    }

    private static IEnumerable<string> PathDirectories() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathFullyQualified);

    private static IEnumerable<string> UsualDirectories()
    {
        (string Parent, string Pattern, string Bin)[] places = OperatingSystem.IsWindows()
            ? [(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL"), "*", "bin")]
            : UsualPlaces;
        return places
            .Where(place => Directory.Exists(place.Parent))
            .SelectMany(place => Directory.GetDirectories(place.Parent, place.Pattern).Order(StringComparer.Ordinal).Select(directory => Path.Combine(directory, place.Bin)));
    }

    private static bool IsDebianWrapper(string path) =>
        new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.Name == "pg_wrapper";
}
