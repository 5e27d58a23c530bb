namespace OmniPg.Guard.Tests;

/// <summary>Errors are typed the same way in every package.</summary>
public sealed class ErrorTests
{
    public static TheoryData<string> Packages => [.. Repository.Libraries.Keys];

    [Theory]
    [MemberData(nameof(Packages))]
    public void Every_exception_derives_from_the_common_base_and_is_sealed_or_abstract(string package)
    {
        var exceptions = Repository.Libraries[package].GetExportedTypes().Where(t => t.IsSubclassOf(typeof(Exception)));

        exceptions.Should().OnlyContain(t => typeof(OmniPgException).IsAssignableFrom(t) && (t.IsSealed || t.IsAbstract));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void Every_exception_is_named_in_the_documentation(string package)
    {
        var pages = string.Concat(Directory.GetFiles(Path.Combine(Repository.Root, "docs"), "*.md").Select(File.ReadAllText));
        var missing = Repository.Libraries[package].GetExportedTypes()
            .Where(t => t.IsSubclassOf(typeof(Exception)) && !t.IsAbstract && !pages.Contains($"`{t.Name}`", StringComparison.Ordinal))
            .Select(t => t.Name);

        missing.Should().BeEmpty();
    }
}
