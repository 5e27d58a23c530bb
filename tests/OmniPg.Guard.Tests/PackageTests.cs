using System.Diagnostics;
using System.IO.Compression;
using System.Xml.Linq;
using OmniPg.Testing;

namespace OmniPg.Guard.Tests;

/// <summary>What <c>dotnet pack</c> makes of each library, from the files that the build of this test run left.</summary>
public sealed class PackageTests(PackageTests.Packed packed) : IClassFixture<PackageTests.Packed>
{
    public static TheoryData<string> Packages => [.. Repository.Libraries.Keys];

    [Theory]
    [MemberData(nameof(Packages))]
    public void A_package_says_what_it_is_and_binds_its_siblings_to_this_breaking_version(string package)
    {
        var project = Path.Combine(Repository.Root, "src", package, $"{package}.csproj");
        var version = Version(project);

        File.Exists(Path.Combine(packed.Folder, $"{package}.{version}.snupkg")).Should().BeTrue("debuggers want the symbols: {0}", packed.Output);
        using var archive = ZipFile.OpenRead(Path.Combine(packed.Folder, $"{package}.{version}.nupkg"));
        archive.Entries.Select(static e => e.FullName).Should().Contain(["README.md", "icon.png", $"lib/net10.0/{package}.dll", $"lib/net10.0/{package}.xml"]);
        var nuspec = Nuspec(archive, package);
        nuspec("license").Single().Value.Should().Be("PostgreSQL");
        nuspec("readme").Single().Value.Should().Be("README.md");
        nuspec("icon").Single().Value.Should().Be("icon.png");
        nuspec("description").Single().Value.Should().Contain("PostgreSQL");
        nuspec("tags").Single().Value.Split(' ').Should().Contain(["postgresql", "postgres", "npgsql"]);
        nuspec("repository").Single().Attribute("commit")!.Value.Should().MatchRegex("^[0-9a-f]{40}$");
        nuspec("dependency").Where(static d => Id(d).StartsWith("OmniPg.", StringComparison.Ordinal)).Select(static d => (Id(d), d.Attribute("version")!.Value))
            .Should().BeEquivalentTo(Siblings(project));
    }

    private static string Id(XElement dependency) => dependency.Attribute("id")!.Value;

    // 0.3.1 becomes [0.3.1, 0.4.0), 1.4.2 becomes [1.4.2, 2.0.0): before 1.0 the minor number is the breaking one.
    private static IEnumerable<(string Id, string Range)> Siblings(string project) =>
        from reference in XDocument.Load(project).Descendants("ProjectReference")
        let sibling = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(project)!, reference.Attribute("Include")!.Value))
        let version = System.Version.Parse(Version(sibling))
        let next = version.Major == 0 ? $"0.{version.Minor + 1}.0" : $"{version.Major + 1}.0.0"
        select (Path.GetFileNameWithoutExtension(sibling), $"[{version}, {next})");

    private static string Version(string project) => XDocument.Load(project).Descendants("VersionPrefix").Single().Value;

    private static Func<string, IEnumerable<XElement>> Nuspec(ZipArchive archive, string package)
    {
        using var stream = archive.GetEntry($"{package}.nuspec")!.Open();
        var document = XDocument.Load(stream);
        return name => document.Descendants().Where(e => e.Name.LocalName == name);
    }

    /// <summary>All packages, made by one run of the build tool: to start it takes longer than to pack.</summary>
    public sealed class Packed : IAsyncLifetime
    {
        private readonly TemporaryDirectory _root = new();

        public string Folder => _root.Combine("packages");

        public string Output { get; private set; } = "";

        public async ValueTask InitializeAsync()
        {
            var project = _root.Combine("pack.proj");
            new XElement(
                "Project",
                Repository.Libraries.Keys.Select(static name => new XElement("ItemGroup", new XElement("Library", new XAttribute("Include", Path.Combine(Repository.Root, "src", name, $"{name}.csproj"))))),
                new XElement(
                    "Target",
                    new XAttribute("Name", "Pack"),
                    new XElement(
                        "MSBuild", new XAttribute("Projects", "@(Library)"), new XAttribute("Targets", "Pack"), new XAttribute("BuildInParallel", "true"),
                        new XAttribute("Properties", $"NoBuild=true;Configuration={new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name};PackageOutputPath={Folder}"))))
                .Save(project);
            using var process = Process.Start(new ProcessStartInfo("dotnet", ["msbuild", project, "-t:Pack", "-m", "-nologo", "-nodeReuse:false"])
            {
                RedirectStandardOutput = true,
            })!;
            Output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            process.ExitCode.Should().Be(0, "{0}", Output);
            Output.Should().NotContain("warning");
        }

        public ValueTask DisposeAsync()
        {
            _root.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
