using System.Text.RegularExpressions;

namespace OmniPg.Guard.Tests;

/// <summary>One style of braces, which no analyzer of the SDK can ask for: a single statement on one line stands without them.</summary>
public sealed partial class BraceTests
{
    [Fact]
    public void A_single_statement_on_one_line_stands_without_braces()
    {
        var braced = new[] { "src", "tests", "benchmarks", "samples" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(Repository.Root, file))
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            .SelectMany(file => Braced().Matches(Repository.Read(file)).Select(m => $"{file}: {m.Value.Split('\n')[0].Trim()}"));

        braced.Should().BeEmpty();
    }

    [GeneratedRegex(@"^(?<i> *)(if|for|foreach|while|lock|using|fixed|await foreach|await using) ?\([^\n]*\)\n\k<i>\{\n\k<i>    [^\n{}]*;\n\k<i>\}\n(?!\k<i>(else|catch|finally))",
        RegexOptions.Multiline)]
    private static partial Regex Braced();
}
