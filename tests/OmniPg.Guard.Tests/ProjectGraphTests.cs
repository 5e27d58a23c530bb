using System.Xml.Linq;

namespace OmniPg.Guard.Tests;

/// <summary>Arrows between the packages run only in the direction that docs/architecture.md draws.</summary>
public sealed class ProjectGraphTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["OmniPg.Core"] = [],
        ["OmniPg.Storage.S3"] = ["OmniPg.Core"],
        ["OmniPg.Storage.Azure"] = ["OmniPg.Core"],
        ["OmniPg.Wal"] = ["OmniPg.Core"],
        ["OmniPg.Jobmon"] = ["OmniPg.Core"],
        ["OmniPg.Partman"] = ["OmniPg.Core", "OmniPg.Jobmon"],
        ["OmniPg.Mimeo"] = ["OmniPg.Core", "OmniPg.Jobmon"],
        ["OmniPg.Extractor"] = ["OmniPg.Core"],
        ["OmniPg.Wal.Cli"] = ["OmniPg.Wal", "OmniPg.Storage.S3", "OmniPg.Storage.Azure"],
        ["OmniPg.Cli"] = ["OmniPg.Jobmon", "OmniPg.Mimeo", "OmniPg.Partman", "OmniPg.Extractor", "OmniPg.Storage.S3"],
        ["OmniPg.Wal.Push"] = [],
        ["OmniPg.Wal.ArchiveModule"] = [],
    };

    // A heavy dependency is a package of its own.
    private static readonly Dictionary<string, string[]> Heavier = new()
    {
        ["OmniPg.Core"] = ["System.IO.Hashing", "ZstdSharp.Port", "K4os.Compression.LZ4.Streams"], ["OmniPg.Storage.S3"] = ["AWSSDK.S3"], ["OmniPg.Storage.Azure"] = ["Azure.Storage.Blobs"],
    };

    private static readonly string[] LibraryPackages =
    [
        "Npgsql", "Microsoft.CodeAnalysis.BannedApiAnalyzers", "Microsoft.Extensions.DependencyInjection.Abstractions",
        // Not only its abstractions: IHealthChecksBuilder, on which AddOmniPg… stands, lives in this package.
        "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Diagnostics.HealthChecks.Abstractions",
        "Microsoft.Extensions.Hosting.Abstractions",
        "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options", "Microsoft.Extensions.Options.ConfigurationExtensions",
    ];

    [Fact]
    public void Every_package_references_only_packages_below_it()
    {
        var actual = Repository.Projects("src").ToDictionary(p => Path.GetFileNameWithoutExtension(p), References);

        actual.Should().BeEquivalentTo(Allowed);
    }

    [Fact]
    public void Libraries_reference_nothing_heavier_than_the_driver_and_abstractions()
    {
        foreach (var project in Repository.Projects("src").Where(p => !p.EndsWith(".Cli.csproj", StringComparison.Ordinal)))
        {
            var name = Path.GetFileNameWithoutExtension(project);
            Packages(project).Should().BeSubsetOf([.. LibraryPackages, .. Heavier.GetValueOrDefault(name, [])], "{0} is a library", name);
        }
    }

    [Fact]
    public void Nothing_that_ships_references_the_test_support()
    {
        foreach (var project in Repository.Projects("src"))
            References(project).Should().NotContain("OmniPg.Testing");
    }

    [Fact]
    public void No_package_opens_its_internals_to_another_package()
    {
        var open = Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.cs*", SearchOption.AllDirectories)
            .Where(f => !f.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(f => File.ReadLines(f).Where(l => l.Contains("InternalsVisibleTo", StringComparison.Ordinal)).Select(l => (File: f, Line: l)))
            .Where(x => !x.Line.Contains(".Tests\"", StringComparison.Ordinal) && !x.Line.Contains(".Benchmarks\"", StringComparison.Ordinal)
                // Of tests/, and the only one of them that is a program: it starts omnipg and omnipg-wal from its own Main.
                && !x.Line.Contains("\"OmniPg.AotSmoke\"", StringComparison.Ordinal));

        open.Should().BeEmpty();
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        var solution = Repository.Read("OmniPg.Sdk.sln").Replace('\\', '/');
        var projects = new[] { "src", "tests", "benchmarks", "samples" }.SelectMany(Repository.Projects)
            .Select(p => Path.GetRelativePath(Repository.Root, p).Replace('\\', '/'));

        projects.Should().OnlyContain(p => solution.Contains($"\"{p}\""));
    }

    [Fact]
    public void An_ordinary_restore_asks_for_no_native_compiler()
    {
        string[] files = [.. new[] { "src", "tests", "benchmarks", "samples" }.SelectMany(Repository.Projects), .. Directory.EnumerateFiles(Path.Combine(Repository.Root, "eng"), "*.props")];
        var always = from file in files
                     from setting in XDocument.Load(file).Descendants("PublishAot")
                     where setting.AncestorsAndSelf().All(e => e.Attribute("Condition") is null)
                     select Path.GetRelativePath(Repository.Root, file);

        always.Should().BeEmpty("a package source without it would fail every build");
    }

    private static string[] References(string project) =>
        [.. XDocument.Load(project).Descendants("ProjectReference").Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/')))];

    private static IEnumerable<string> Packages(string project) =>
        XDocument.Load(project).Descendants("PackageReference").Select(r => r.Attribute("Include")!.Value);
}
