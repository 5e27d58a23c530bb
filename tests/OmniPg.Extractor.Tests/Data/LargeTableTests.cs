using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Data;

[Collection(nameof(WholeProcess))]
public sealed class LargeTableTests(PgClusterFixture fixture)
{
    private const int Rows = 300_000;
    private const string Checksum = "SELECT count(*) || ' ' || sum(hashtextextended(t, id)) FROM big";

    [Fact]
    public async Task Three_hundred_megabytes_of_rows_are_extracted_and_replayed_in_constant_memory()
    {
        using var work = new ExtractionCase();
        await using var source = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await using var target = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync($"""
            CREATE UNLOGGED TABLE big (id integer, t text);
            ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
            INSERT INTO big SELECT n, repeat(md5(n::text) || E'\t\\\n', 30) FROM generate_series(1, {Rows}) AS n;
            """, TestContext.Current.CancellationToken);
        await work.ExtractAsync(source.DataSource, "warm");
        var start = GC.GetTotalAllocatedBytes(precise: true);

        await work.ExtractAsync(source.DataSource, "tree", o => o.Data = new DataOptions());
        var extracted = GC.GetTotalAllocatedBytes(precise: true);
        await work.Tree("tree").ReplayAsync(target.DataSource, cancellationToken: TestContext.Current.CancellationToken);
        var replayed = GC.GetTotalAllocatedBytes(precise: true);

        new FileInfo(work.Path("tree/data/public.big.sql")).Length.Should().BeGreaterThan(300_000_000);
        (extracted - start).Should().BeLessThan(20_000_000, "extraction holds a buffer, not rows");
        (replayed - extracted).Should().BeLessThan(20_000_000, "replay holds a buffer, not rows");
        (await target.ScalarAsync<string>(Checksum, TestContext.Current.CancellationToken))
            .Should().Be(await source.ScalarAsync<string>(Checksum, TestContext.Current.CancellationToken)).And.StartWith($"{Rows} ");
    }
}
