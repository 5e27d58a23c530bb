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

    [Fact]
    public void Every_name_of_a_walk_stands_in_the_folder_beside_it()
    {
        var rows = Walks().Matches(Repository.Read("docs", "architecture.md"));

        rows.Should().HaveCountGreaterThan(8);
        rows.SelectMany(row => Names().Matches(row.Groups["names"].Value).Select(name => (Folder: row.Groups["folder"].Value, Name: name.Groups["name"].Value)))
            .Where(place => !IsThere(place.Folder, place.Name)).Should().BeEmpty();
    }

    private static bool IsThere(string folder, string name) =>
        Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), $"{name}.cs", SearchOption.AllDirectories).Any()
        || Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
            .Any(file => Regex.IsMatch(File.ReadAllText(file), $@"\b(class|record|struct|interface|enum) {name}\b"));

    [GeneratedRegex(@"`(?<path>(?:src|tests)/[\w./]+\.(?:cs|sql))`")]
    private static partial Regex Paths();

    [GeneratedRegex(@"(?m)^\| (?<number>\d+) \| `src/[\w./]+\.cs` \|")]
    private static partial Regex First();

    // A row of two cells; what stands behind a semicolon is from elsewhere, and says so.
    [GeneratedRegex(@"(?m)^\| `(?<folder>src/[\w./]+)` \| (?<names>[^|;]*)(;[^|]*)?\|$")]
    private static partial Regex Walks();

    [GeneratedRegex(@"`(?<name>\w+)`")]
    private static partial Regex Names();
}
