using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What is at a source and not here: columns of managed tables, and tables.</summary>
public sealed class DriftTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Columns_that_do_not_fit_are_told_with_the_statements_that_mend_them()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, n int, \"odd \"\"name\" varchar(10)); INSERT INTO t SELECT i, 'x', i, 'o' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.some"), Columns = ["id", "w", "n"] });
        foreach (var table in (string[])["public.t", "public.some"])
            (await DriftAsync(mimeo, table)).HasDrift.Should().BeFalse();

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more timestamptz; ALTER TABLE t ALTER n TYPE bigint; ALTER TABLE t ALTER \"odd \"\"name\" TYPE varchar(20)");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t DROP \"odd \"\"name\"; ALTER TABLE t ADD extra int");
        var drift = await DriftAsync(mimeo, "public.t");

        drift.Columns.Should().Equal(
            new ColumnDrift("n", ColumnDriftKind.OtherType, "bigint", "integer", "ALTER TABLE \"public\".\"t\" ALTER COLUMN \"n\" TYPE bigint USING \"n\"::bigint;"),
            new ColumnDrift("odd \"name", ColumnDriftKind.MissingHere, "character varying(20)", null, "ALTER TABLE \"public\".\"t\" ADD COLUMN \"odd \"\"name\" character varying(20);"),
            new ColumnDrift("more", ColumnDriftKind.MissingHere, "timestamp with time zone", null, "ALTER TABLE \"public\".\"t\" ADD COLUMN \"more\" timestamp with time zone;"));
        drift.SourceStatements.Should().HaveCount(3);
        drift.SourceStatements.Take(2).Should().Equal(
            "ALTER TABLE \"omnipg_mimeo\".\"public_t_q\" ADD COLUMN \"more\" timestamp with time zone;", "ALTER TABLE \"omnipg_mimeo\".\"public_t_q\" ALTER COLUMN \"n\" TYPE bigint USING \"n\"::bigint;");
        drift.SourceStatements[2].Should().StartWith("CREATE OR REPLACE FUNCTION \"omnipg_mimeo\".\"public_t_mimeo_queue\"()").And.Contain("\"more\"");
        await mimeo.Databases.AtDestinationAsync(string.Join('\n', drift.Columns.Select(c => c.Statement)));
        await mimeo.Databases.AtSourceAsync(string.Join('\n', drift.SourceStatements));
        (await DriftAsync(mimeo, "public.t")).HasDrift.Should().BeFalse();
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, w, n, \"odd \"\"name\", more FROM t");

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t DROP w");
        (await DriftAsync(mimeo, "public.some")).Columns.Should().Equal(
            new ColumnDrift("n", ColumnDriftKind.OtherType, "bigint", "integer", "ALTER TABLE \"public\".\"some\" ALTER COLUMN \"n\" TYPE bigint USING \"n\"::bigint;"),
            new ColumnDrift("w", ColumnDriftKind.MissingAtSource, null, "text", null));
        await mimeo.Databases.AtSourceAsync("DROP TABLE t");
        var gone = () => DriftAsync(mimeo, "public.t");
        await gone.Should().ThrowAsync<SourceTableNotFoundException>();
    }

    [Fact]
    public async Task A_snapshot_mends_itself_and_its_drift_names_no_statement()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t");
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more int");

        (await DriftAsync(mimeo, "public.t")).Columns.Should().Equal(new ColumnDrift("more", ColumnDriftKind.MissingHere, "integer", null, null));
        await mimeo.RefreshAsync("public.t");

        (await DriftAsync(mimeo, "public.t")).HasDrift.Should().BeFalse();
    }

    [Fact]
    public async Task Tables_that_nothing_comes_from_are_listed_without_partitions_queues_and_views()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int); CREATE TABLE p (id int) PARTITION BY LIST (id); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1); CREATE VIEW v AS SELECT 1 AS x; CREATE SCHEMA \"Odd.one\"; CREATE TABLE \"Odd.one\".\"T\" ()");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.a");

        (await FindAsync(includeViews: false)).Should().Equal("\"Odd.one\".\"T\"", "public.b", "public.p");
        (await FindAsync(includeViews: true)).Should().Equal("\"Odd.one\".\"T\"", "public.b", "public.p", "public.v");
        var unknown = () => mimeo.Client.FindUnreplicatedAsync("nobody", cancellationToken: TestContext.Current.CancellationToken);
        await unknown.Should().ThrowAsync<UnknownSourceException>();

        async Task<string[]> FindAsync(bool includeViews) => [.. (await mimeo.Client.FindUnreplicatedAsync("erp", includeViews, TestContext.Current.CancellationToken)).Select(t => t.ToString())];
    }

    private static Task<DriftResult> DriftAsync(Mimeo mimeo, string table) => mimeo.Client.FindDriftAsync(QualifiedName.Parse(table), TestContext.Current.CancellationToken);
}
