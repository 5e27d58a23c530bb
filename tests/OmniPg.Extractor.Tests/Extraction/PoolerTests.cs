using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class PoolerTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Pooler_that_takes_no_options_is_dumped_through_and_warned_of()
    {
        Assert.SkipWhen(PgBouncer.Program is null, "PgBouncer is not installed.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (id integer)", TestContext.Current.CancellationToken);
        await using var pooler = await PgBouncer.StartAsync(fixture.Cluster, "session", poolSize: 20, TestContext.Current.CancellationToken);
        await using var pooled = NpgsqlDataSource.Create(pooler.Through(database.ConnectionString) + ";Pooling=false;Server Compatibility Mode=NoTypeLoading");

        var report = await work.ExtractAsync(pooled, "pooled", static o => o.Roles = true);
        await work.ExtractAsync(database.DataSource, "direct", static o => o.Roles = true);

        report.DumpWarnings.Select(static w => w.Kind).Should().Equal(PgDumpWarningKind.SessionNotPinned);
        report.IsComplete.Should().BeTrue();
        report.Environment.Session.Should().BeEmpty();
        File.ReadAllText(work.Path("pooled/tables/public.t.sql")).Should().Be(File.ReadAllText(work.Path("direct/tables/public.t.sql")));
    }
}
