using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables that keep what was deleted at the source.</summary>
public sealed class LogdelTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_deleted_row_stays_as_it_was_with_the_time_of_the_delete()
    {
        await using var mimeo = await CreateAsync();

        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'last' WHERE id = 1; DELETE FROM t WHERE id IN (1, 2); UPDATE t SET w = 'new' WHERE id = 3; UPDATE t SET id = 2000 WHERE id = 4");
        var refreshed = await mimeo.RefreshAsync("public.t");

        (refreshed.Status, refreshed.Rows).Should().Be((RefreshStatus.Refreshed, 5));
        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        (await DeletedAsync(mimeo)).Should().Be("1 last, 2 old");
        (await mimeo.Databases.DestinationAsync<bool>("SELECT bool_and(mimeo_source_deleted BETWEEN now() - interval '10 min' AND now()) FROM t WHERE id < 3")).Should().BeTrue();
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM pg_indexes WHERE indexname = 't_mimeo_source_deleted'")).Should().Be(1);
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM pg_indexes WHERE tablename = 'public_t_q'")).Should().Be(2);
    }

    [Theory]
    [InlineData("DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again')", "")]
    [InlineData("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')", "", "")]
    [InlineData("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again'); DELETE FROM t WHERE id = 1", "", "1 again")]
    [InlineData("DELETE FROM t WHERE id = 1", "INSERT INTO t VALUES (1, 'again'); DELETE FROM t WHERE id = 1", "1 again")]
    [InlineData("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'again')", "DELETE FROM t WHERE id = 1", "1 again")]
    public async Task A_key_that_comes_back_is_the_live_row_else_the_newest_deleted_one(string first, string second, string deleted)
    {
        await using var mimeo = await CreateAsync();

        await mimeo.Databases.AtSourceAsync(first);
        await mimeo.RefreshAsync("public.t");
        if (second.Length > 0)
            await mimeo.Databases.AtSourceAsync(second);
        await mimeo.RefreshAsync("public.t");

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        (await DeletedAsync(mimeo)).Should().Be(deleted);
    }

    [Fact]
    public async Task A_repull_keeps_deleted_rows_those_that_were_still_queued_included()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id IN (1, 2)");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (2, 'again')");
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 'wrong' WHERE id > 500");

        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });

        await LiveRowsAreThoseOfTheSourceAsync(mimeo);
        (await DeletedAsync(mimeo)).Should().Be("1 old, 3 old");
    }

    [Fact]
    public async Task With_chosen_columns_and_a_condition_a_deleted_row_has_those_columns_whatever_the_condition_says()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, secret text, size int); INSERT INTO t SELECT i, 'old', 's', i FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", s => s with { Columns = ["id", "w"], Condition = "WHERE size > 10" });

        await mimeo.Databases.AtSourceAsync("UPDATE t SET size = 1 WHERE id = 20; DELETE FROM t WHERE id IN (5, 30)");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w FROM t WHERE size > 10", "SELECT id, w FROM t WHERE mimeo_source_deleted IS NULL");
        (await DeletedAsync(mimeo)).Should().Be("5 old, 30 old");
        (await mimeo.Databases.SourceAsync<string>("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'omnipg_mimeo.public_t_q'::regclass AND attnum > 0")).Should().Be("id w mimeo_source_deleted processed");
    }

    [Fact]
    public async Task A_column_that_the_source_has_already_is_refused_and_one_that_comes_later_is_told()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("CREATE TABLE own (id int PRIMARY KEY, mimeo_source_deleted int)");
        var creating = () => mimeo.CreateAsync(ReplicationKind.Logdel, "public.own");
        await creating.Should().ThrowAsync<ColumnDriftException>();

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD COLUMN later int");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD COLUMN later int");
        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("queue 'omnipg_mimeo.public_t_q' of the source has no column 'later'");
    }

    private async Task<Mimeo> CreateAsync()
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 1000) i");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t");
        return mimeo;
    }

    private static Task LiveRowsAreThoseOfTheSourceAsync(Mimeo mimeo) => mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, w FROM t WHERE mimeo_source_deleted IS NULL");

    private static Task<string> DeletedAsync(Mimeo mimeo) =>
        mimeo.Databases.DestinationAsync<string>("SELECT coalesce(string_agg(id || ' ' || w, ', ' ORDER BY id), '') FROM t WHERE mimeo_source_deleted IS NOT NULL");
}
