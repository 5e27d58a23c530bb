using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Several tables as one.</summary>
public sealed class GroupTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Dml, ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Dml, ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Logdel, ReplicationKind.Table)]
    [InlineData(ReplicationKind.Snapshot, ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Logical, ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical, ReplicationKind.Logical)]
    public async Task Money_that_moves_between_two_tables_is_the_same_sum_in_every_state_that_a_reader_sees(ReplicationKind first, ReplicationKind second)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            "CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (LIKE a INCLUDING ALL); INSERT INTO a SELECT i, 1000 FROM generate_series(1, 200) i; INSERT INTO b SELECT * FROM a");
        await mimeo.CreateAsync(first, "public.a");
        await mimeo.CreateAsync(second, "public.b");
        await GroupAsync(mimeo, "public.a", "public.b");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var moved = 0;
        var mover = LoopAsync(() => mimeo.Databases.AtSourceAsync($"BEGIN; UPDATE a SET n = n - 5 WHERE id = {++moved % 200 + 1}; UPDATE b SET n = n + 5 WHERE id = {moved * 7 % 200 + 1}; INSERT INTO a VALUES ({moved + 1000}, 0); COMMIT"), stop.Token);
        var sums = new HashSet<long>();
        // One statement reads both, as the server shows them at one moment.
        var reader = LoopAsync(async () => sums.Add(await mimeo.Databases.DestinationAsync<long>("SELECT sum(n) FROM (SELECT n FROM a UNION ALL SELECT n FROM b) x")), stop.Token);

        for (var round = 0; round < 6; round++)
            (await GroupAsync(mimeo, "public.b", "public.a")).Select(r => r.Status).Should().OnlyContain(s => s == RefreshStatus.Refreshed || s == RefreshStatus.NothingNew);
        await stop.CancelAsync();
        await mover;
        await reader;

        await GroupAsync(mimeo, "public.a", "public.b");
        sums.Should().Equal(400_000L);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM a", "SELECT id, n FROM a");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM b", "SELECT * FROM b");
    }

    [Fact]
    public async Task One_table_that_fails_leaves_all_as_they_were_with_their_queues()
    {
        await using var mimeo = await TwoAsync();
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE b ADD CHECK (n < 2000)");
        await mimeo.Databases.AtSourceAsync("UPDATE a SET n = 3000; UPDATE b SET n = 3000");

        var refreshing = () => GroupAsync(mimeo, "public.a", "public.b");

        (await refreshing.Should().ThrowAsync<MimeoException>()).Which.SqlState.Should().Be("23514");
        (await mimeo.Databases.DestinationAsync<int>("SELECT max(n) FROM a")).Should().Be(1000);
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM omnipg_mimeo.public_a_q")).Should().Be(200);
    }

    [Fact]
    public async Task A_group_with_a_table_that_is_being_refreshed_is_left_out_as_a_whole()
    {
        await using var mimeo = await TwoAsync();
        await using var holder = await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(hashtext('mimeo advisory lock'), hashtext('public.b'))");

        (await GroupAsync(mimeo, "public.a", "public.b")).Select(r => (r.Destination.ToString(), r.Status)).Should().Equal(("public.a", RefreshStatus.SkippedLocked), ("public.b", RefreshStatus.SkippedLocked));
    }

    [Fact]
    public async Task A_table_that_others_rewrite_meanwhile_does_not_come_empty()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(
            """
            CREATE TABLE rewritten (id int PRIMARY KEY, n int); INSERT INTO rewritten SELECT i, i FROM generate_series(1, 100) i; CREATE TABLE one (id int); INSERT INTO one VALUES (1);
            CREATE FUNCTION held() RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(4713); RETURN 1; END'; CREATE VIEW slow AS SELECT id, held() AS h FROM one;
            """);
        await mimeo.CreateAsync(ReplicationKind.Table, "public.slow");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.rewritten");
        await using var holder = await QueueTests.HoldAsync(mimeo.Databases.Source, "SELECT pg_advisory_lock(4713)");
        var refreshing = GroupAsync(mimeo, "public.slow", "public.rewritten");
        await Eventually.TrueAsync(
            async () => await mimeo.Databases.SourceAsync<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4713 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND NOT granted)"),
            "the group reads its first table", cancellationToken: TestContext.Current.CancellationToken);

        var rewriting = () => mimeo.Databases.AtSourceAsync("BEGIN; SET LOCAL lock_timeout = '100ms'; ALTER TABLE rewritten ALTER n TYPE bigint; COMMIT");
        (await rewriting.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be("55P03");
        await holder.DisposeAsync();

        (await refreshing)[1].Rows.Should().Be(100);
    }

    [Fact]
    public async Task A_group_is_at_least_one_table_and_none_twice()
    {
        await using var mimeo = await TwoAsync();

        var none = () => GroupAsync(mimeo);
        var twice = () => GroupAsync(mimeo, "public.a", "public.b", "public.a");
        var strange = () => GroupAsync(mimeo, "public.a", "public.c");

        await none.Should().ThrowAsync<ArgumentException>();
        await twice.Should().ThrowAsync<ArgumentException>();
        await strange.Should().ThrowAsync<NotManagedException>();
    }

    private async Task<Mimeo> TwoAsync()
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (LIKE a INCLUDING ALL); INSERT INTO a SELECT i, 1000 FROM generate_series(1, 200) i; INSERT INTO b SELECT * FROM a");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.a");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.b");
        return mimeo;
    }

    private static Task<IReadOnlyList<RefreshResult>> GroupAsync(Mimeo mimeo, params string[] tables) =>
        mimeo.Client.RefreshGroupAsync([.. tables.Select(t => QualifiedName.Parse(t))], cancellationToken: TestContext.Current.CancellationToken);

    private static async Task LoopAsync(Func<Task> step, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
            await step();
    }
}
