using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class DueTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task What_waited_longest_comes_first_and_one_that_fails_stops_no_other()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        foreach (var (name, kind, period) in ((string, ReplicationKind, PgInterval?)[])[("a", ReplicationKind.Table, "1 hour"), ("b", ReplicationKind.Dml, "1 hour"), ("c", ReplicationKind.Table, "1 hour"), ("d", ReplicationKind.Table, null), ("e", ReplicationKind.Snapshot, "1 hour")])
        {
            await mimeo.Databases.AtSourceAsync($"CREATE TABLE {name} (id int PRIMARY KEY); INSERT INTO {name} SELECT generate_series(1, 10)");
            await mimeo.CreateAsync(kind, "public." + name, s => s with { Period = period });
        }
        await mimeo.Databases.AtDestinationAsync(
            """
            UPDATE omnipg_mimeo.refresh_config SET last_run = now() - interval '2 hours' WHERE dest_table IN ('public.a', 'public.d');
            UPDATE omnipg_mimeo.refresh_config SET last_run = now() - interval '3 hours' WHERE dest_table = 'public.b';
            UPDATE omnipg_mimeo.refresh_config SET last_run = NULL WHERE dest_table = 'public.c';
            """);
        await mimeo.Databases.AtSourceAsync("DROP TABLE c");

        var one = await mimeo.Client.RefreshDueAsync(new DueOptions { MaxTables = 1, Kinds = [ReplicationKind.Dml, ReplicationKind.Table] }, cancellationToken: TestContext.Current.CancellationToken);
        (one.Results.Count, one.Failures.Select(f => $"{f.Destination} {((MimeoException)f.Error).Code}").Single()).Should().Be((0, "public.c mimeo.source.table-not-found"));
        var rest = await mimeo.Client.RefreshDueAsync(cancellationToken: TestContext.Current.CancellationToken);
        rest.Results.Select(r => r.Destination.ToString()).Should().Equal("public.b", "public.a");
        rest.Failures.Should().ContainSingle();
        (await mimeo.Client.RefreshDueAsync(new DueOptions { Kinds = [ReplicationKind.Snapshot], MaxParallelTables = 4 }, cancellationToken: TestContext.Current.CancellationToken)).Results.Should().BeEmpty();
    }
}
