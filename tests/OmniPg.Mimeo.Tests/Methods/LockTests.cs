using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A lock that others have is told as one, wherever a copy meets it, and the table is as it was.</summary>
public sealed class LockTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Dml, 1)]
    [InlineData(ReplicationKind.Dml, 40_000)]
    [InlineData(ReplicationKind.Logdel, 1)]
    [InlineData(ReplicationKind.Logical, 1)]
    public async Task A_row_that_others_hold_is_told_as_a_lock_whichever_slice_of_the_changes_needs_it(ReplicationKind kind, int held)
    {
        // Only the refresh has little patience: a slot waits for the transactions of all tests that share the server.
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var impatient = new MimeoClient(mimeo.Databases.Destination.DataSource, new MimeoOptions { LockTimeout = TimeSpan.FromMilliseconds(200) });
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 40000) i");
        await mimeo.CreateAsync(kind, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = w || 'x'");

        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, $"BEGIN; SELECT FROM t WHERE id = {held} FOR UPDATE"))
        {
            var refreshing = () => impatient.RefreshAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
            (await refreshing.Should().ThrowAsync<MimeoLockException>()).Which.Message.Should().StartWith("'public.t' was locked by others for too long to refresh it.");
        }

        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE w LIKE '%x'")).Should().Be(0);
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(40_000);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, w FROM t");
    }

    [Fact]
    public async Task A_value_that_the_destination_refuses_is_the_same_error_in_the_first_slice_and_in_the_last_one()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 40000) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = w || 'x'");

        foreach (var refused in (int[])[1, 40_000])
        {
            await mimeo.Databases.AtDestinationAsync($"ALTER TABLE t ADD CONSTRAINT no CHECK (id <> {refused} OR w NOT LIKE '%x')");
            var refreshing = () => mimeo.RefreshAsync("public.t");
            var error = (await refreshing.Should().ThrowAsync<MimeoServerException>()).Which;
            (error.SqlState, error.Sentence).Should().Be(("23514", $"The destination '127.0.0.1:{fixture.Cluster.Port}/{mimeo.Databases.Destination.Name}' did not refresh 'public.t': new row for relation \"t\" violates check constraint \"no\""));
            await mimeo.Databases.AtDestinationAsync("ALTER TABLE t DROP CONSTRAINT no");
        }
    }

    [Fact]
    public async Task A_table_that_others_lock_is_told_with_the_side_that_has_it()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.LockTimeout = TimeSpan.FromMilliseconds(200));
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100); CREATE VIEW v AS SELECT * FROM t");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.v", s => s with { Cursor = CursorColumn.Serial("id", 0), Destination = QualifiedName.Parse("public.grown") });
        await mimeo.CreateAsync(ReplicationKind.Table, "public.v");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (101)");

        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "BEGIN; LOCK TABLE grown IN SHARE MODE"))
        {
            var refreshing = () => mimeo.RefreshAsync("public.grown");
            (await refreshing.Should().ThrowAsync<MimeoLockException>()).Which.Message.Should().StartWith("'public.grown' was locked by others for too long to write its rows.");
        }
        await using (await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; LOCK TABLE t"))
        {
            var refreshing = () => mimeo.RefreshAsync("public.v");
            (await refreshing.Should().ThrowAsync<MimeoLockException>()).Which.Message.Should().StartWith("'public.v' was locked by others for too long to read its rows at the source.");
        }

        (await mimeo.Databases.DestinationAsync<string>("SELECT (SELECT count(*) FROM grown) || ' ' || (SELECT count(*) FROM v)")).Should().Be("99 100");
        (await mimeo.RefreshAsync("public.grown")).Rows.Should().Be(1);
    }
}
