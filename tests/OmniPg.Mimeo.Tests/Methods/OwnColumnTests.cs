using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Sources with columns that are called like those which a queue has for itself.</summary>
public sealed class OwnColumnTests(PgClusterFixture fixture)
{
    private const string Made = "SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'omnipg_mimeo' AND c.relkind = 'r') + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)";

    [Fact]
    public async Task A_dml_copies_them_as_any_other_column()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, processed text, mimeo_source_deleted int); INSERT INTO t SELECT i, 'old', i FROM generate_series(1, 100) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");

        await mimeo.Databases.AtSourceAsync("UPDATE t SET processed = 'new' WHERE id = 1; UPDATE t SET mimeo_source_deleted = 0 WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (101, NULL, NULL)");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(4);

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml, "processed int PRIMARY KEY, w text", "the source has a column 'processed', by which the queue of the source says what is done")]
    [InlineData(ReplicationKind.Logdel, "processed int PRIMARY KEY, w text", "the source has a column 'processed', by which the queue of the source says what is done")]
    [InlineData(ReplicationKind.Logdel, "id int PRIMARY KEY, processed text", "the source has a column 'processed', by which the queue of the source says what is done")]
    [InlineData(ReplicationKind.Logdel, "id int PRIMARY KEY, mimeo_source_deleted text", "the source has a column 'mimeo_source_deleted', in which the time of a delete has to stand")]
    public async Task Where_the_queue_would_hold_one_the_table_is_refused_and_nothing_is_made(ReplicationKind kind, string columns, string why)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t ({columns})");

        var creating = () => mimeo.CreateAsync(kind, "public.t");
        (await creating.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal(why);

        (await mimeo.Databases.SourceAsync<long>(Made)).Should().Be(0);
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('public.t') IS NULL")).Should().BeTrue();
        (await mimeo.Client.ListAsync(TestContext.Current.CancellationToken)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_dml_may_have_a_key_that_is_called_like_the_time_of_a_delete()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (mimeo_source_deleted int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'old'), (2, 'old')");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");

        await mimeo.Databases.AtSourceAsync("UPDATE t SET mimeo_source_deleted = 3 WHERE w = 'old' AND mimeo_source_deleted = 1; DELETE FROM t WHERE mimeo_source_deleted = 2");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Fact]
    public async Task A_logdel_that_leaves_it_out_keeps_deleted_rows()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, processed text, mimeo_source_deleted text); INSERT INTO t SELECT i, 'old', 'p', 'd' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { Columns = ["id", "w"] });

        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1; UPDATE t SET w = 'new' WHERE id = 2");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w FROM t", "SELECT id, w FROM t WHERE mimeo_source_deleted IS NULL");
        (await mimeo.Databases.DestinationAsync<string>("SELECT id || ' ' || w FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("1 old");
    }

    [Theory]
    [InlineData("processed text DEFAULT 'p'")]
    [InlineData("mimeo_source_deleted text DEFAULT 'd'")]
    public async Task One_that_a_logdel_gets_later_is_told_and_the_application_deletes_on(string column)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { Drift = DriftPolicy.AddColumns });
        var name = column.Split(' ')[0];

        await mimeo.Databases.AtSourceAsync($"ALTER TABLE t ADD {column}, ADD more int");
        var refreshing = () => mimeo.RefreshAsync("public.t");
        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().ContainSingle().Which.Should().StartWith($"the source has a column '{name}', ");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");

        var drift = await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken);
        drift.Columns.Where(c => c.Column == name).Should().ContainSingle().Which.Statement.Should().BeNull();
        await mimeo.Databases.AtSourceAsync($"ALTER TABLE t DROP {name}");
        await mimeo.RefreshAsync("public.t");
        (await mimeo.Databases.DestinationAsync<string>("SELECT id || ' ' || w FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be("1 old");
    }
}
