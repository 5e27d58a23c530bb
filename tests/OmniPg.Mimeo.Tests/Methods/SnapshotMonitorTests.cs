using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>How large the sources of snapshots are.</summary>
public sealed class SnapshotMonitorTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Rows_are_estimated_or_counted_over_all_partitions_and_bytes_are_those_of_the_source()
    {
        await using var mimeo = await CreateAsync();

        var estimated = await MeasureAsync(mimeo, new SnapshotMonitorOptions());
        var exact = await MeasureAsync(mimeo, new SnapshotMonitorOptions { Exact = true });

        // The statistics know nothing of what was written since, of a table that was never analyzed, and of a view.
        estimated.Select(s => $"{s.Destination} {s.From} {s.Source} {s.Rows}").Should().Equal("public.big erp public.big 1000", "public.few erp public.few ", "public.parted erp public.parted 300", "public.seen erp public.seen ");
        exact.Select(s => $"{s.Destination} {s.Rows}").Should().Equal("public.big 1500", "public.few 3", "public.parted 301", "public.seen 1500");
        foreach (var sizes in new[] { estimated, exact })
        {
            foreach (var table in (string[])["big", "few"])
                sizes.Single(s => s.Destination.Name.Value == table).Bytes.Should().Be(await mimeo.Databases.SourceAsync<long>($"SELECT pg_total_relation_size('{table}')"));
            sizes.Single(s => s.Destination.Name.Value == "parted").Bytes.Should().Be(await mimeo.Databases.SourceAsync<long>("SELECT pg_total_relation_size('p1') + pg_total_relation_size('p2')"));
            sizes.Single(s => s.Destination.Name.Value == "seen").Bytes.Should().Be(0);
        }
    }

    [Fact]
    public async Task A_snapshot_is_told_where_it_meets_one_of_the_limits_and_another_kind_never()
    {
        await using var mimeo = await CreateAsync();
        var bytes = await mimeo.Databases.SourceAsync<long>("SELECT pg_total_relation_size('big')");

        (await NamesAsync(new SnapshotMonitorOptions { MinRows = 1000 })).Should().Equal("big");
        (await NamesAsync(new SnapshotMonitorOptions { MinRows = 1001 })).Should().BeEmpty();
        (await NamesAsync(new SnapshotMonitorOptions { MinRows = 1001, Exact = true })).Should().Equal("big", "seen");
        (await NamesAsync(new SnapshotMonitorOptions { MinBytes = bytes })).Should().Equal("big");
        (await NamesAsync(new SnapshotMonitorOptions { MinBytes = bytes, MinRows = 300 })).Should().Equal("big", "parted");
        (await NamesAsync(new SnapshotMonitorOptions { Destination = QualifiedName.Parse("public.few") })).Should().Equal("few");
        (await NamesAsync(new SnapshotMonitorOptions { Destination = QualifiedName.Parse("public.few"), MinRows = 4, Exact = true })).Should().BeEmpty();

        var other = () => MeasureAsync(mimeo, new SnapshotMonitorOptions { Destination = QualifiedName.Parse("public.other") });
        (await other.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith("'public.other' (Table) is no snapshot.");
        var nobody = () => MeasureAsync(mimeo, new SnapshotMonitorOptions { Destination = QualifiedName.Parse("public.nobody") });
        await nobody.Should().ThrowAsync<NotManagedException>();
        var negative = () => MeasureAsync(mimeo, new SnapshotMonitorOptions { MinRows = -1 });
        await negative.Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>();
        await mimeo.Databases.AtSourceAsync("DROP TABLE few");
        var gone = () => MeasureAsync(mimeo, new SnapshotMonitorOptions());
        await gone.Should().ThrowAsync<SourceTableNotFoundException>();

        async Task<IEnumerable<string>> NamesAsync(SnapshotMonitorOptions options) => (await MeasureAsync(mimeo, options)).Select(s => s.Destination.Name.Value);
    }

    [Fact]
    public async Task A_table_whose_partitions_are_all_gone_has_no_rows_and_one_that_is_locked_is_waited_for_as_long_as_for_any_lock()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromMilliseconds(200));
        await mimeo.Databases.AtSourceAsync("CREATE TABLE parted (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF parted FOR VALUES IN (1)");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.parted");

        await using (await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; LOCK TABLE ONLY p1"))
        {
            var locked = () => MeasureAsync(mimeo, new SnapshotMonitorOptions());
            await locked.Should().ThrowAsync<MimeoLockException>();
        }
        await mimeo.Databases.AtSourceAsync("DROP TABLE p1");

        (await MeasureAsync(mimeo, new SnapshotMonitorOptions { MinRows = 0 })).Single().Rows.Should().Be(0);
    }

    [Fact]
    public async Task Rows_that_the_role_may_not_read_are_estimated_and_not_counted()
    {
        await using var mimeo = await CreateAsync();
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE ROLE {role} LOGIN");
        await mimeo.Client.AddSourceAsync("erp", new Npgsql.NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);

        (await MeasureAsync(mimeo, new SnapshotMonitorOptions { Destination = QualifiedName.Parse("public.big") })).Single().Rows.Should().Be(1000);
        var counting = () => MeasureAsync(mimeo, new SnapshotMonitorOptions { Destination = QualifiedName.Parse("public.big"), Exact = true });
        (await counting.Should().ThrowAsync<MimeoPermissionException>()).Which.Message.Should().StartWith("The role at 'erp' may not read 'public.big': permission denied for table big.");

        await mimeo.Databases.AtSourceAsync($"GRANT SELECT ON big TO {role}; ALTER TABLE big ENABLE ROW LEVEL SECURITY");
        await counting.Should().ThrowAsync<MimeoException>();
    }

    private async Task<Mimeo> CreateAsync()
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE big (id int PRIMARY KEY, w text) WITH (autovacuum_enabled = off); INSERT INTO big SELECT i, 'x' FROM generate_series(1, 1000) i;
            CREATE TABLE parted (id int) PARTITION BY RANGE (id);
            CREATE TABLE p1 PARTITION OF parted FOR VALUES FROM (1) TO (101) WITH (autovacuum_enabled = off); CREATE TABLE p2 PARTITION OF parted FOR VALUES FROM (101) TO (1001) WITH (autovacuum_enabled = off);
            INSERT INTO parted SELECT generate_series(1, 300);
            ANALYZE big, p1, p2;
            INSERT INTO big SELECT i, 'x' FROM generate_series(1001, 1500) i; INSERT INTO parted VALUES (301);
            CREATE TABLE few (id int) WITH (autovacuum_enabled = off); INSERT INTO few VALUES (1), (2), (3); CREATE VIEW seen AS SELECT * FROM big;
            """);
        foreach (var table in (string[])["big", "parted", "few", "seen"])
            await mimeo.CreateAsync(ReplicationKind.Snapshot, "public." + table, s => s with { Condition = table == "big" ? "WHERE id < 10" : null });
        await mimeo.CreateAsync(ReplicationKind.Table, "public.big", s => s with { Destination = QualifiedName.Parse("public.other") });
        return mimeo;
    }

    private static Task<IReadOnlyList<SnapshotSize>> MeasureAsync(Mimeo mimeo, SnapshotMonitorOptions options) => mimeo.Client.SnapshotMonitorAsync(options, TestContext.Current.CancellationToken);
}
