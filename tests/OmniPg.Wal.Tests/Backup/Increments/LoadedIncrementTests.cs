using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Chains of incremental backups that are made while the server works, at the primary and at a standby.</summary>
public sealed class LoadedIncrementTests(IncrementScenes scenes) : IClassFixture<IncrementScenes>
{
    private static readonly string[] Tables = ["accounts", "history", "turned"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(17, false)]
    [InlineData(17, true)]
    [InlineData(18, false)]
    [InlineData(18, true)]
    public async Task A_chain_made_under_load_restores_every_row_and_no_index_or_map_contradicts_it(int major, bool isAtStandby)
    {
        var scene = await scenes.GetAsync(major);
        var store = await scene.NewStoreAsync();
        await using var standby = isAtStandby ? await scene.StandbyAsync() : null;
        await BeginAsync(scene);
        var chain = new List<BackupInfo>();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var load = LoadAsync(scene, end.Token);
        for (var link = 0; link < 3; link++)
            chain.Add(await BackupAsync(scene, standby, store, chain.LastOrDefault()));
        await end.CancelAsync();
        await load;
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        var expected = await SumsAsync(scene.Server);

        await using var restored = await RestoreAsync(scene, store);

        chain.Select(b => (b.FromStandby, b.IncrementOf)).Should().Equal((isAtStandby, null), (isAtStandby, chain[0].Id), (isAtStandby, chain[1].Id));
        (await SumsAsync(restored)).Should().Be(expected);
        (await FaultsAsync(restored)).Should().BeEmpty();
    }

    [Theory]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_page_that_is_not_all_visible_any_more_is_not_so_in_the_restored_map(int major)
    {
        var scene = await scenes.GetAsync(major);
        var store = await scene.NewStoreAsync();
        await scene.Server.ExecuteAsync("DROP TABLE IF EXISTS seen; CREATE TABLE seen AS SELECT i, repeat('v', 200) filler FROM generate_series(1, 2000) i", Token);
        await scene.Server.ExecuteAsync("VACUUM (FREEZE) seen", Token);
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.Server.ExecuteAsync("DELETE FROM seen WHERE i = 1000", Token);
        await scene.NextSecondAsync(full);
        await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token);

        await using var restored = await RestoreAsync(scene, store, RecoveryTarget.Immediate);

        await restored.ExecuteAsync("CREATE EXTENSION pg_visibility", Token);
        (await restored.ScalarAsync<long>("SELECT (SELECT count(*) FROM pg_check_visible('seen')) + (SELECT count(*) FROM pg_check_frozen('seen'))", Token)).Should().Be(0);
        (await restored.ScalarAsync<long>("SELECT count(*) FROM seen", Token)).Should().Be(1999);
    }

    private static async Task BeginAsync(BackupScene scene)
    {
        string[] statements =
        [
            "DROP TABLE IF EXISTS accounts, history, turned",
            "CREATE TABLE accounts AS SELECT i aid, 0::bigint balance, repeat('a', 84) filler FROM generate_series(1, 20000) i", "ALTER TABLE accounts ADD PRIMARY KEY (aid)",
            "CREATE INDEX ON accounts (balance)", "CREATE TABLE history (aid int, delta int, at timestamptz DEFAULT clock_timestamp())", "CREATE TABLE turned AS SELECT i, repeat('t', 200) filler FROM generate_series(1, 4000) i",
            "VACUUM (FREEZE, ANALYZE) accounts, history, turned",
        ];
        foreach (var statement in statements)
            await scene.Server.ExecuteAsync(statement, Token);
    }

    /// <summary>What <c>pgbench</c> does, with what it does not: rows that go, files that are cut off, made anew and grow again. As much as the archive takes.</summary>
    private static async Task LoadAsync(BackupScene scene, CancellationToken end)
    {
        for (var round = 1; !end.IsCancellationRequested; round++)
        {
            await scene.Server.ExecuteAsync(
                "WITH changed AS (UPDATE accounts SET balance = balance + (random() * 100)::int WHERE aid IN (SELECT 1 + (random() * 19999)::int FROM generate_series(1, 40)) RETURNING aid) "
                + "INSERT INTO history (aid, delta) SELECT aid, 1 FROM changed",
                Token);
            if (round % 5 == 0)
                await scene.Server.ExecuteAsync($"DELETE FROM history WHERE aid % 7 = {round % 7}; DELETE FROM accounts WHERE aid = 1 + {round * 37 % 20000}", Token);
            if (round % 20 == 0)
                await scene.Server.ExecuteAsync("DELETE FROM turned WHERE i > 1000", Token);
            if (round % 20 == 1)
                await scene.Server.ExecuteAsync("VACUUM accounts, history, turned", Token);
            if (round % 20 == 2)
                await scene.Server.ExecuteAsync("INSERT INTO turned SELECT i, repeat('u', 200) FROM generate_series(1001, 2000) i", Token);
            if (round % 50 == 0)
                await scene.Server.ExecuteAsync("TRUNCATE turned; INSERT INTO turned SELECT i, repeat('w', 200) FROM generate_series(1, 3000) i", Token);
            await Eventually.TrueAsync(
                () => Directory.GetFiles(Path.Combine(scene.Server.DataDirectory, "pg_wal", "archive_status"), "*.ready").Length <= 2, "the archive keeps up", TimeSpan.FromSeconds(120), Token);
        }
    }

    private static async Task<BackupInfo> BackupAsync(BackupScene scene, PgCluster? standby, IObjectStore store, BackupInfo? prior)
    {
        if (prior is not null)
            await scene.NextSecondAsync(prior);
        // A backup at a standby starts at the primary's last checkpoint.
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        if (standby is not null)
            await scene.ReplayedAsync(standby);
        return (await new BaseBackup((standby ?? scene.Server).DataSource, store, scene.ArchiveStore, new BaseBackupOptions { IncrementOf = prior?.Id }).RunAsync(cancellationToken: Token)).Backup;
    }

    private static async Task<PgCluster> RestoreAsync(BackupScene scene, IObjectStore store, RecoveryTarget? target = null)
    {
        var options = scene.RestoreOptions();
        var backup = await new BackupCatalog(store).GetAsync(cancellationToken: Token);
        options.TablespaceMap = new Dictionary<string, string> { [backup.Tablespaces.Single().Location] = scene.Fresh("space") };
        options.RestoreCommand = $"cp '{(await scene.PlainArchiveAsync()).Root}/%f' '%p'";
        options.Target = target ?? RecoveryTarget.Latest;
        var folder = scene.Fresh("restored");
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        return await scene.StartAsync(folder);
    }

    private static async Task<string> SumsAsync(PgCluster server)
    {
        var sums = "";
        foreach (var table in Tables)
            sums += $"{table} {await server.ScalarAsync<string>($"SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {table} t", Token)}\n";
        return sums;
    }

    /// <summary>What amcheck and pg_visibility find, one line each.</summary>
    private static async Task<string> FaultsAsync(PgCluster server)
    {
        await server.ExecuteAsync("CREATE EXTENSION amcheck; CREATE EXTENSION pg_visibility", Token);
        await server.ExecuteAsync("SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree'", Token);
        var faults = "";
        foreach (var table in Tables.Append("pg_class").Append("pg_attribute"))
        {
            faults += await server.ScalarAsync<string>(
                $"SELECT coalesce((SELECT string_agg('{table}: ' || msg, chr(10)) FROM verify_heapam('{table}')), '') || coalesce((SELECT string_agg('{table}: visible ' || t_ctid, chr(10)) FROM pg_check_visible('{table}')), '') "
                + $"|| coalesce((SELECT string_agg('{table}: frozen ' || t_ctid, chr(10)) FROM pg_check_frozen('{table}')), '')",
                Token);
        }

        return faults;
    }
}
