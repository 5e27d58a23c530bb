namespace OmniPg.Extractor.Tests.Extraction;

public sealed class AllKindsExtractionTests(AllKindsDatabase database) : IClassFixture<AllKindsDatabase>
{
    [Fact]
    public async Task Every_entry_is_found_in_exactly_one_file()
    {
        using var work = new ExtractionCase();
        var archive = await work.DumpAsync(database.Cluster, database.Name, "all.dump", "-s");

        var report = await work.ExtractAsync(archive, "tree");

        report.Account.IsClosed.Should().BeTrue();
        report.Account.Consumed.Should().Be(3);
        report.Account.Unknown.Should().Be(0);
        var snapshot = await work.Extractor.OpenTree(work.Path("tree")).ReadAsync(TestContext.Current.CancellationToken);
        snapshot.Warnings.Should().BeEmpty();
        snapshot.Entries.Should().HaveCount(report.Account.InFiles).And.OnlyHaveUniqueItems(entry => entry.Key);
        snapshot.Entries.Should().NotContain(entry => entry.IsEdited);
    }
}
