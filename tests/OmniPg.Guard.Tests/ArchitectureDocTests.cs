using System.Text.RegularExpressions;

namespace OmniPg.Guard.Tests;

/// <summary>What docs/architecture.md tells a new reader to open is there.</summary>
public sealed partial class ArchitectureDocTests
{
    private const int FirstFiles = 12;

    [Fact]
    public void Every_file_that_a_new_reader_is_sent_to_exists()
    {
        var named = Paths().Matches(Repository.Read("docs", "architecture.md")).Select(m => m.Groups["path"].Value).Distinct().ToList();

        named.Should().HaveCountGreaterThan(FirstFiles);
        named.Where(path => !File.Exists(Path.Combine(Repository.Root, path))).Should().BeEmpty();
    }

    [Fact]
    public void Twelve_files_are_read_first()
    {
        var page = Repository.Read("docs", "architecture.md");

        First().Matches(page).Select(m => int.Parse(m.Groups["number"].Value, null)).Should().Equal(Enumerable.Range(1, FirstFiles));
    }

    [GeneratedRegex(@"`(?<path>(?:src|tests)/[\w./]+\.(?:cs|sql))`")]
    private static partial Regex Paths();

    [GeneratedRegex(@"(?m)^\| (?<number>\d+) \| `src/[\w./]+\.cs` \|")]
    private static partial Regex First();
}
