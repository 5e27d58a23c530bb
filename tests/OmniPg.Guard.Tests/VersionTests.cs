using System.Xml.Linq;

namespace OmniPg.Guard.Tests;

public sealed class VersionTests
{
    [Fact]
    public void The_changelog_has_a_section_for_every_package_and_its_version()
    {
        var changelog = Repository.Read("CHANGELOG.md");

        foreach (var project in Repository.Projects("src"))
        {
            var name = Path.GetFileNameWithoutExtension(project);
            var version = XDocument.Load(project).Descendants("VersionPrefix").Single().Value;
            changelog.Should().MatchRegex($@"(?m)^## {name.Replace(".", "\\.", StringComparison.Ordinal)} {version.Replace(".", "\\.", StringComparison.Ordinal)}( |$)");
        }
    }

    [Fact]
    public void The_readme_names_every_package_with_its_version()
    {
        var readme = Repository.Read("README.md");

        foreach (var project in Repository.Projects("src"))
        {
            var name = Path.GetFileNameWithoutExtension(project);
            var version = XDocument.Load(project).Descendants("VersionPrefix").Single().Value;
            readme.Should().MatchRegex($@"\[?`{name}`.*\| {version} \|");
        }
    }

    [Fact]
    public void Every_package_has_a_readme_that_opens_with_its_name()
    {
        foreach (var project in Repository.Projects("src"))
        {
            var name = Path.GetFileNameWithoutExtension(project);
            File.ReadLines(Path.Combine(Path.GetDirectoryName(project)!, "README.md")).First().Should().Be($"# {name}");
        }
    }
}
