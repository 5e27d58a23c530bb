using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A streaming standby as the source.</summary>
public sealed class StandbyTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_standby_serves_what_needs_no_write_there_is_never_taken_for_unchanged_and_refuses_the_rest_by_name()
    {
        await using var primary = await PgCluster.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        using var directory = new TemporaryDirectory(forServer: true);
        ServerAccount.Own(directory.Path);
        var copy = directory.Combine("standby");
        (await primary.RunProgramAsync("pg_basebackup", "-h", "127.0.0.1", "-p", $"{primary.Port}", "-U", "postgres", "-D", copy, "-c", "fast", "-X", "stream", "-R", "--no-sync")).MustSucceed();
        await using var standby = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = copy }, TestContext.Current.CancellationToken);
        await using var source = await primary.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i", TestContext.Current.CancellationToken);
        await CaughtUpAsync();
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.SplitLargerThanBytes = 1);
        await mimeo.Client.AddSourceAsync("standby", standby.GetConnectionString(source.Name), TestContext.Current.CancellationToken);

        foreach (var kind in (ReplicationKind[])[ReplicationKind.Snapshot, ReplicationKind.Table, ReplicationKind.Inserter, ReplicationKind.Updater])
            (await CreateAsync(kind)).Rows.Should().Be(kind is ReplicationKind.Inserter or ReplicationKind.Updater ? 4999 : 5000);
        await source.ExecuteAsync("INSERT INTO t SELECT i, 'new' FROM generate_series(5001, 5100) i", TestContext.Current.CancellationToken);
        await CaughtUpAsync();

        foreach (var kind in (ReplicationKind[])[ReplicationKind.Snapshot, ReplicationKind.Snapshot, ReplicationKind.Table, ReplicationKind.Inserter, ReplicationKind.Updater])
        {
            (await mimeo.RefreshAsync($"public.\"{kind}\"")).Status.Should().Be(RefreshStatus.Refreshed);
            var here = await TwoDatabases.ContentAsync(mimeo.Databases.Destination, $"SELECT * FROM \"{kind}\"");
            here.Should().Be(await TwoDatabases.ContentAsync(source, "SELECT * FROM t" + (kind is ReplicationKind.Inserter or ReplicationKind.Updater ? " WHERE id < 5100" : "")));
        }
        var queued = () => CreateAsync(ReplicationKind.Dml);
        (await queued.Should().ThrowAsync<SourceKindException>()).Which.Message.Should().Contain("'standby'");
        var followed = () => CreateAsync(ReplicationKind.Logical);
        (await followed.Should().ThrowAsync<LogicalSourceException>()).Which.Message.Should().Contain("source 'standby' is a standby");

        // What its primary commits while it lags may have earlier times than what it shows.
        await source.ExecuteAsync("CREATE TABLE timed (id int PRIMARY KEY, at timestamptz)", TestContext.Current.CancellationToken);
        await CaughtUpAsync();
        await mimeo.Client.CreateAsync(
            new ReplicationSpec { Kind = ReplicationKind.Inserter, From = "standby", Source = QualifiedName.Parse("public.timed"), Cursor = CursorColumn.Time("at", "100 milliseconds") }, cancellationToken: TestContext.Current.CancellationToken);
        await using var writer = await source.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var writing = await writer.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var insert = new Npgsql.NpgsqlCommand("INSERT INTO timed VALUES (1, clock_timestamp() + interval '1 s')", writer, writing))
            await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await source.ExecuteAsync("INSERT INTO timed VALUES (2, clock_timestamp() + interval '2 s')", TestContext.Current.CancellationToken);
        var later = await source.ScalarAsync<string>("SELECT at::text FROM timed", TestContext.Current.CancellationToken);
        await CaughtUpAsync();
        await standby.ExecuteAsync("SELECT pg_wal_replay_pause()", TestContext.Current.CancellationToken);
        await StandsAsync("pg_get_wal_replay_pause_state() = 'paused'");
        await writing.CommitAsync(TestContext.Current.CancellationToken);
        await StandsAsync($"pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() AND clock_timestamp() > timestamptz '{later}' + interval '200 ms'");
        (await mimeo.RefreshAsync("public.timed")).Rows.Should().Be(0);
        await standby.ExecuteAsync("SELECT pg_wal_replay_resume()", TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(async () =>
        {
            await mimeo.RefreshAsync("public.timed");
            return await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM timed") == 2;
        }, "both rows have come", cancellationToken: TestContext.Current.CancellationToken);

        // Nor may it be replayed between the snapshot and the look at the clock.
        await standby.ExecuteAsync("SELECT pg_wal_replay_pause()", TestContext.Current.CancellationToken);
        await StandsAsync("pg_get_wal_replay_pause_state() = 'paused'");
        await source.ExecuteAsync("INSERT INTO timed VALUES (3, clock_timestamp())", TestContext.Current.CancellationToken);
        later = await source.ScalarAsync<string>("SELECT at::text FROM timed WHERE id = 3", TestContext.Current.CancellationToken);
        await StandsAsync($"pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn() AND clock_timestamp() > timestamptz '{later}' + interval '200 ms'");
        var timed = (await mimeo.Client.FindAsync(QualifiedName.Parse("public.timed"), TestContext.Current.CancellationToken))!;
        var options = new MimeoOptions();
        var seen = await new MimeoDatabase(mimeo.Databases.Destination.DataSource, options).RunAsync("look at the bound", async (session, store) =>
        {
            await using var at = Npgsql.NpgsqlDataSource.Create(standby.GetConnectionString(source.Name));
            await using var there = await SourceSession.OpenAsync("standby", at, null, 30, TestContext.Current.CancellationToken);
            await there.TakeSnapshotAsync(options.LockTimeout, timed);
            await standby.ExecuteAsync("SELECT pg_wal_replay_resume()", TestContext.Current.CancellationToken);
            await CaughtUpAsync();
            var run = await TableRun.BeginAsync(timed, store, session, there, options, mimeo.Databases.Destination.DataSource, null);
            return await new CursorMethod(run).FirstRowsAsync();
        }, TestContext.Current.CancellationToken);
        (await source.ScalarAsync<bool>($"SELECT {seen} FROM timed WHERE id = 3", TestContext.Current.CancellationToken)).Should().BeFalse("the snapshot does not show the row");

        Task StandsAsync(string condition) => Eventually.TrueAsync(
            () => standby.ScalarAsync<bool>($"SELECT {condition}", TestContext.Current.CancellationToken), condition, cancellationToken: TestContext.Current.CancellationToken);

        Task<CreateResult> CreateAsync(ReplicationKind kind) => mimeo.Client.CreateAsync(
            new ReplicationSpec
            {
                Kind = kind, From = "standby", Source = QualifiedName.Parse("public.t"), Destination = QualifiedName.Create("public", $"{kind}"),
                Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("id", 0) : null,
            },
            cancellationToken: TestContext.Current.CancellationToken);

        async Task CaughtUpAsync()
        {
            // Commits of the test servers are written a moment later.
            var end = await primary.ScalarAsync<string>("SELECT pg_current_wal_insert_lsn()::text", TestContext.Current.CancellationToken);
            await Eventually.TrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{end}'", TestContext.Current.CancellationToken), "the standby has replayed it",
                cancellationToken: TestContext.Current.CancellationToken);
        }
    }
}
