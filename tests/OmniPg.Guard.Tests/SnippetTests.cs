using System.Text.RegularExpressions;

namespace OmniPg.Guard.Tests;

/// <summary>Every C# block of a readme or documentation page is a <c>#region</c> of the samples, and therefore compiles.</summary>
public sealed partial class SnippetTests
{
    private static readonly Lazy<HashSet<string>> Regions = new(() =>
        [.. Directory.EnumerateFiles(Path.Combine(Repository.Root, "samples"), "*.cs", SearchOption.AllDirectories)
            .SelectMany(f => RegionPattern().Matches(File.ReadAllText(f).ReplaceLineEndings("\n"))).Select(m => Dedent(m.Groups["code"].Value))]);

    public static TheoryData<string> Pages => [.. Directory.EnumerateFiles(Repository.Root, "README.md", SearchOption.AllDirectories)
        .Concat(Directory.EnumerateFiles(Path.Combine(Repository.Root, "docs"), "*.md"))
        .Select(f => Path.GetRelativePath(Repository.Root, f).Replace('\\', '/'))
        .Where(f => !f.Contains("/bin/", StringComparison.Ordinal) && !f.StartsWith("artifacts/", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_code_block_of_a_page_compiles(string page)
    {
        var blocks = BlockPattern().Matches(Repository.Read(page).ReplaceLineEndings("\n")).Select(m => Dedent(m.Groups["code"].Value));

        blocks.Where(b => !Regions.Value.Contains(b)).Should().BeEmpty("{0} shows only code that stands in a region of samples/", page);
    }

    private static string Dedent(string code)
    {
        var lines = code.Trim('\n').Split('\n').Select(l => l.TrimEnd()).ToArray();
        var indent = lines.Where(l => l.Length > 0).Select(l => l.Length - l.TrimStart().Length).DefaultIfEmpty().Min();
        return string.Join('\n', lines.Select(l => l.Length > indent ? l[indent..] : l));
    }

    [GeneratedRegex(@"^[ \t]*#region [^\n]*\n(?<code>.*?)\n[ \t]*#endregion", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex RegionPattern();

    [GeneratedRegex(@"^```csharp\n(?<code>.*?)\n```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex BlockPattern();
}
