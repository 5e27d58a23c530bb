using System.Text.RegularExpressions;

namespace OmniPg.Guard.Tests;

/// <summary>docs/errors.md lists every code that the sources name, and no other.</summary>
public sealed partial class ErrorCodeTests
{
    private const string Page = "docs/errors.md";

    [Fact]
    public void The_page_lists_every_code()
    {
        var listed = ListedCode().Matches(Repository.Read(Page)).Select(static m => m.Groups["code"].Value).ToArray();

        listed.Should().OnlyHaveUniqueItems();
        listed.Should().BeEquivalentTo(Codes());
    }

    [Fact]
    public void Codes_are_lower_case_words_joined_with_hyphens() =>
        Codes().Should().OnlyContain(static code => Shape().IsMatch(code));

    [Fact]
    public void The_page_leads_to_pages_that_exist()
    {
        var links = Link().Matches(Repository.Read(Page)).Select(static m => m.Groups["file"].Value).Distinct();

        links.Should().NotBeEmpty().And.OnlyContain(static file => File.Exists(Path.Combine(Repository.Root, "docs", file)));
    }

    private static HashSet<string> Codes() =>
        [.. from folder in new[] { "src/OmniPg.Core", "src/OmniPg.Storage.S3", "src/OmniPg.Storage.Azure", "src/OmniPg.Wal", "src/OmniPg.Jobmon", "src/OmniPg.Mimeo", "src/OmniPg.Partman", "src/OmniPg.Extractor" }
            from file in Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
            where !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
            from match in CodeLiteral().Matches(File.ReadAllText(file))
            select match.Groups["code"].Value];

    [GeneratedRegex("(?<!StartActivity\\()\"(?<code>(?:process|compression|s3|azure|wal|jobmon|mimeo|partman|extractor)(?:\\.[a-z0-9_-]+)+)\"")]
    private static partial Regex CodeLiteral();

    [GeneratedRegex(@"^\| `(?<code>[a-z0-9._-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex ListedCode();

    [GeneratedRegex(@"^[a-z][a-z0-9]*(\.[a-z0-9]+(-[a-z0-9]+)*)+$")]
    private static partial Regex Shape();

    [GeneratedRegex(@"\]\((?<file>[a-z-]+\.md)(?:#[a-z-]+)?\)")]
    private static partial Regex Link();
}
