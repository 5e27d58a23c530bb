using PublicApiGenerator;

namespace OmniPg.Guard.Tests;

/// <summary>The public surface changes only on purpose: run with <c>OMNIPG_APPROVE=1</c> to write it anew, then read the diff.</summary>
public sealed class PublicApiTests
{
    private static readonly ApiGeneratorOptions Options = new() { IncludeAssemblyAttributes = false, DenyNamespacePrefixes = [] };

    public static TheoryData<string> Packages => [.. Repository.Libraries.Keys];

    [Theory]
    [MemberData(nameof(Packages))]
    public void The_public_surface_is_the_approved_one(string package)
    {
        var file = Path.Combine(Repository.Root, "src", package, "PublicAPI.approved.txt");
        var actual = Repository.Libraries[package].GeneratePublicApi(Options).ReplaceLineEndings("\n") + "\n";

        if (Environment.GetEnvironmentVariable("OMNIPG_APPROVE") == "1")
            File.WriteAllText(file, actual);
        var approved = File.Exists(file) ? File.ReadAllText(file).ReplaceLineEndings("\n") : "";

        // Differences one by one: the whole text would be cut in the message.
        actual.Split('\n').Except(approved.Split('\n')).Should().BeEmpty("nothing may appear in {0} unapproved", package);
        approved.Split('\n').Except(actual.Split('\n')).Should().BeEmpty("nothing may vanish from {0} unapproved", package);
        actual.Should().Be(approved);
    }
}
