using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Arguments;

public sealed class ExtractorArgumentsTests
{
    [Fact]
    public void Options_of_the_original_are_understood()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.Combine("args"), "--host=db.example.org\n-p\n5433\n-N\naudit,old_*\n");

        var arguments = ExtractorOptions.ParseArguments(
            ["@" + directory.Combine("args"), "-d", "shop", "--getall", "--getsequences", "--gettriggers", "--delete", "--schemadir", "-j", "3", "--orreplace", "--gitpush", "--commitmsg", "a {b}"]);

        arguments.ConnectionString.Should().Be("Host=db.example.org;Port=5433;Database=shop");
        arguments.Extraction.Kinds.Should().Be(ObjectKinds.OriginalAll | ObjectKinds.Sequences);
        arguments.Extraction.Copies.Should().Be(FileCopies.OwnedSequences | FileCopies.Triggers);
        arguments.Extraction.Roles.Should().BeTrue();
        arguments.Extraction.StaleFiles.Should().Be(StaleFiles.DeleteAllSql);
        arguments.Extraction.MaxDegreeOfParallelism.Should().Be(3);
        arguments.Extraction.Layout.DatabaseDirectory.Should().BeNull();
        arguments.Git!.Push.Should().BeTrue();
        arguments.CommitMessage.Should().Be("a {{b}}");
    }

    [Theory]
    [InlineData("--nonsense", "The option '--nonsense' is not known.")]
    [InlineData("--port", "The option '--port' needs a value.")]
    [InlineData("--port=x", "'--port' is 'x', which is no number.")]
    [InlineData("--nodbnamedir", "No extraction options set.*")]
    [InlineData("@/nowhere", "The argument file '/nowhere' cannot be read:*")]
    public void Wrong_arguments_are_named(string argument, string message)
    {
        var act = () => ExtractorOptions.ParseArguments([argument]);

        act.Should().Throw<ExtractorOptionException>().WithMessage(message);
    }
}
