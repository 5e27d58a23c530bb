using System.Reflection;

namespace OmniPg.Guard.Tests;

/// <summary>The repository's own files, found from the test's place in it.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The packed libraries: project name and assembly.</summary>
    public static IReadOnlyDictionary<string, Assembly> Libraries { get; } = new Dictionary<string, Assembly>
    {
        ["OmniPg.Core"] = typeof(OmniPgException).Assembly,
        ["OmniPg.Wal"] = Assembly.Load("OmniPg.Wal"),
        ["OmniPg.Jobmon"] = Assembly.Load("OmniPg.Jobmon"),
        ["OmniPg.Storage.S3"] = Assembly.Load("OmniPg.Storage.S3"),
        ["OmniPg.Storage.Azure"] = Assembly.Load("OmniPg.Storage.Azure"),
        ["OmniPg.Partman"] = Assembly.Load("OmniPg.Partman"),
        ["OmniPg.Mimeo"] = Assembly.Load("OmniPg.Mimeo"),
        ["OmniPg.Extractor"] = Assembly.Load("OmniPg.Extractor"),
    };

    public static IEnumerable<string> Projects(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.csproj", SearchOption.AllDirectories).Order(StringComparer.Ordinal);

    public static string Read(params string[] path) => File.ReadAllText(Path.Combine([Root, .. path]));

    private static string FindRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "OmniPg.Sdk.sln")))
            directory = Path.GetDirectoryName(directory) ?? throw new InvalidOperationException("The tests do not run inside the repository.");
        return directory;
    }
}
