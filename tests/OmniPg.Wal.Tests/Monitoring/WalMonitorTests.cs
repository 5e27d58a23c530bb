using Npgsql;
using NpgsqlTypes;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Recovery;

namespace OmniPg.Wal.Tests.Monitoring;

/// <summary>What the monitor says of a healthy, an idle, a stalled and a failing server, of gaps, and of a receiver that is behind.</summary>
[Collection(nameof(MonitorCollection))]
public sealed class WalMonitorTests(MonitorScene scene)
{
    private const int SegmentSize = 1 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_healthy_server_has_nothing_to_lose()
    {
        await scene.HealthyAsync();

        var result = await scene.LookAsync();

        result.Worst.Should().Be(WalCheckLevel.Ok, "{0}", string.Join('\n', result.Checks));
        result.Checks.Select(c => (c.Name, c.Value)).Should().Equal(
            ("server", 1), ("repository", scene.Archived.Count), ("archiver", 0), ("backlog", 0), ("backlog-age", 0), ("gaps", 0), ("rpo", 0),
            ("rpo-bytes", (ulong)result.ServerLsn!.Value - (ulong)result.DurableLsn!.Value));
        result.DurableLsn.Should().Be(EndOf(scene.Archived[^1]));
        result.Checks.Should().OnlyContain(c => c.Hint == null);
    }

    [Fact]
    public async Task WAL_without_a_commit_is_no_loss_and_the_age_of_the_last_archived_commit_is_one_as_soon_as_another_follows()
    {
        await scene.HealthyAsync();
        var archived = new DateTimeOffset(await scene.Server.ScalarAsync<DateTime>("SELECT timestamp FROM pg_last_committed_xact()", Token));
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);

        var idle = await scene.LookAsync();
        await scene.CommitAsync();
        var busy = await scene.LookAsync();

        (idle.Of(WalCheck.Rpo).Value, idle.LastDurableCommit).Should().Be((0, archived));
        idle.Of(WalCheck.RpoBytes).Value.Should().Be((ulong)idle.ServerLsn!.Value - (ulong)EndOf(scene.Archived[^1])).And.BePositive();
        (busy.Of(WalCheck.Rpo).Value, busy.LastDurableCommit).Should().Be(((busy.At - archived).TotalSeconds, archived));
        busy.Of(WalCheck.Rpo).Value.Should().BePositive();
    }

    [Fact]
    public async Task A_transaction_that_was_open_when_the_segment_ended_is_lost_once_it_has_committed()
    {
        await scene.HealthyAsync();
        await using var connection = await scene.Server.DataSource.OpenConnectionAsync(Token);
        await using var open = await connection.BeginTransactionAsync(Token);
        await using (var insert = new NpgsqlCommand("INSERT INTO load VALUES (2)", connection, open))
            await insert.ExecuteNonQueryAsync(Token);
        await scene.CommitAsync();
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        await scene.CaughtUpAsync();
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);

        var before = await scene.LookAsync();
        await open.CommitAsync(Token);
        var after = await scene.LookAsync();

        before.Of(WalCheck.Rpo).Value.Should().Be(0);
        after.Of(WalCheck.Rpo).Value.Should().Be((after.At - before.LastDurableCommit!.Value).TotalSeconds);
    }

    [Fact]
    public async Task A_command_that_fails_is_critical_at_once_and_a_warning_when_it_works_again()
    {
        await scene.HealthyAsync();
        await File.WriteAllTextAsync(scene.Fail, "", Token);
        var segment = await scene.SwitchAsync();
        await Eventually.TrueAsync(() => scene.Server.ScalarAsync<bool>("SELECT failed_count > 0 FROM pg_stat_archiver", Token), "archiving fails", TimeSpan.FromSeconds(30), Token);
        var monitor = new WalMonitor(scene.Server.DataSource, scene.ArchiveStore);

        var failing = await monitor.RunAsync(Token);
        await scene.CaughtUpAsync();
        var again = await monitor.RunAsync(Token);

        failing.Worst.Should().Be(WalCheckLevel.Critical);
        failing.Of(WalCheck.Archiver).Level.Should().Be(WalCheckLevel.Critical);
        failing.Of(WalCheck.Archiver).Value.Should().BePositive();
        failing.Of(WalCheck.Archiver).Text.Should().Contain($"last of '{segment}' at ");
        (failing.Of(WalCheck.Backlog).Value, failing.Of(WalCheck.Gaps).Value).Should().Be((1, 0));
        failing.DurableLsn.Should().Be(StartOf(segment));
        again.Of(WalCheck.Archiver).Level.Should().Be(WalCheckLevel.Warning);
        again.Of(WalCheck.Archiver).Text.Should().Contain($"'{again.Of(WalCheck.Archiver).Value - failing.Of(WalCheck.Archiver).Value}' of them since the last look");
        again.Of(WalCheck.Backlog).Value.Should().Be(0);
    }

    [Fact]
    public async Task A_command_that_hangs_is_told_by_how_long_the_oldest_file_waits()
    {
        await scene.HealthyAsync();
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        var commit = await scene.Server.ScalarAsync<DateTime>("SELECT timestamp FROM pg_last_committed_xact()", Token);
        await scene.CommitAsync();
        var first = await scene.SwitchAsync();
        await scene.SwitchAsync();
        var since = new DateTimeOffset(await scene.Server.ScalarAsync<DateTime>($"SELECT modification FROM pg_ls_archive_statusdir() WHERE name = '{first}.ready'", Token));

        var usual = await scene.LookAsync();
        var strict = await scene.LookAsync(new WalMonitorOptions { Thresholds = new Dictionary<WalCheck, WalThreshold> { [WalCheck.BacklogAge] = new(0, 0), [WalCheck.Backlog] = new(1, 2) } });

        usual.Of(WalCheck.Archiver).Level.Should().Be(WalCheckLevel.Ok, "nothing has failed");
        usual.Of(WalCheck.Backlog).Should().BeEquivalentTo(new { Level = WalCheckLevel.Ok, Value = 2d });
        usual.Of(WalCheck.BacklogAge).Value.Should().Be((usual.At - since).TotalSeconds);
        usual.Of(WalCheck.Rpo).Value.Should().Be((usual.At - new DateTimeOffset(commit)).TotalSeconds);
        usual.Of(WalCheck.Gaps).Value.Should().Be(0, "what waits is late, not lost");
        (strict.Of(WalCheck.BacklogAge).Level, strict.Of(WalCheck.Backlog).Level).Should().Be((WalCheckLevel.Critical, WalCheckLevel.Warning));
        strict.Of(WalCheck.BacklogAge).Text.Should().Contain($"'{first}' waits since");
    }

    [Fact]
    public async Task Segments_that_are_gone_are_gaps_in_the_middle_and_at_the_end()
    {
        await scene.HealthyAsync();
        var (kept, gone) = (await scene.SwitchAsync(), await scene.SwitchAsync());
        await scene.CaughtUpAsync();
        var last = scene.Archived[^1];

        File.Delete(Path.Combine(scene.Archive, gone));
        var middle = await scene.LookAsync();
        File.Delete(Path.Combine(scene.Archive, last));
        var end = await scene.LookAsync();

        (middle.Of(WalCheck.Gaps).Level, middle.Of(WalCheck.Gaps).Value).Should().Be((WalCheckLevel.Critical, 1));
        middle.Of(WalCheck.Gaps).Text.Should().Contain($"'{gone}'");
        middle.DurableLsn.Should().Be(EndOf(last));
        (end.Of(WalCheck.Gaps).Level, end.Of(WalCheck.Gaps).Value).Should().Be((WalCheckLevel.Critical, 2));
        end.DurableLsn.Should().Be(EndOf(kept));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_damaged_file_among_the_newest_counts_as_missing_with_all_that_follow(int fromEnd)
    {
        await scene.HealthyAsync();
        var before = scene.Archived[^1];
        await scene.CommitAsync();
        for (var i = 0; i < fromEnd; i++)
            await scene.CaughtUpAsync();
        var damaged = scene.Archived[^fromEnd];
        await using (var file = File.OpenWrite(Path.Combine(scene.Archive, damaged)))
        {
            file.Position = 100;
            await file.WriteAsync(new byte[100], Token);
        }

        var result = await scene.LookAsync();

        result.Of(WalCheck.Repository).Level.Should().Be(WalCheckLevel.Critical);
        result.Of(WalCheck.Repository).Text.Should().Contain($"'{damaged}' is not valid");
        result.DurableLsn.Should().Be(EndOf(before)).And.Be(StartOf(damaged));
        result.Of(WalCheck.Rpo).Value.Should().BePositive();
    }

    [Fact]
    public async Task What_a_receiver_has_confirmed_is_safe_and_what_it_has_not_is_its_lag()
    {
        await scene.HealthyAsync();
        var reserved = await scene.Server.ScalarAsync<NpgsqlLogSequenceNumber>("SELECT lsn FROM pg_create_physical_replication_slot('monitored', true)", Token);
        try
        {
            await scene.CommitAsync();
            var limits = new Dictionary<WalCheck, WalThreshold> { [WalCheck.SlotLag] = new(null, 0) };

            var usual = await scene.LookAsync(new WalMonitorOptions { Slot = "monitored" });
            var strict = await scene.LookAsync(new WalMonitorOptions { Slot = "monitored", Thresholds = limits });
            var none = await scene.LookAsync(new WalMonitorOptions { Slot = "other", Checks = [WalCheck.SlotLag] });
            var confirmed = usual;
            // Now and then the server writes a list of running transactions by itself.
            await Eventually.TrueAsync(
                async () =>
                {
                    await scene.Server.ExecuteAsync("SELECT pg_replication_slot_advance('monitored', pg_current_wal_lsn())", Token);
                    confirmed = await scene.LookAsync(new WalMonitorOptions { Slot = "monitored" });
                    return confirmed.DurableLsn == confirmed.ServerLsn;
                },
                "all is confirmed", TimeSpan.FromSeconds(30), Token);

            usual.Of(WalCheck.SlotLag).Value.Should().Be((ulong)usual.ServerLsn!.Value - (ulong)reserved);
            usual.Of(WalCheck.SlotLag).Level.Should().Be(WalCheckLevel.Warning);
            usual.Of(WalCheck.SlotLag).Text.Should().StartWith("No receiver is connected to slot 'monitored'.");
            strict.Of(WalCheck.SlotLag).Level.Should().Be(WalCheckLevel.Critical);
            (none.Worst, none.Of(WalCheck.SlotLag).Text).Should().Be((WalCheckLevel.Critical, "The server has no physical slot 'other'."));
            (confirmed.Of(WalCheck.SlotLag).Value, confirmed.Of(WalCheck.Rpo).Value, confirmed.Of(WalCheck.RpoBytes).Value).Should().Be((0, 0, 0));
        }
        finally
        {
            await scene.Server.ExecuteAsync("SELECT pg_drop_replication_slot('monitored')", Token);
        }
    }

    [Fact]
    public async Task The_directory_of_a_receiver_counts_up_to_the_end_of_its_open_file()
    {
        await scene.HealthyAsync();
        var commit = await scene.CommitAsync();
        var open = await scene.Server.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_lsn())", Token);
        var end = NpgsqlLogSequenceNumber.Invalid;
        var partial = Path.Combine(scene.Archive, open + ".partial");
        await Eventually.TrueAsync(
            async () =>
            {
                // Flushes what was inserted, and ends at another place each time: at the very end of a page the two positions differ by its header.
                await scene.Server.ExecuteAsync("CHECKPOINT", Token);
                end = await scene.Server.ScalarAsync<NpgsqlLogSequenceNumber>("SELECT pg_current_wal_insert_lsn()", Token);
                var written = await scene.Server.ScalarAsync<bool>($"SELECT pg_current_wal_flush_lsn() >= '{end}'", Token);
                File.Copy(Path.Combine(scene.Server.DataDirectory, "pg_wal", open), partial, overwrite: true);
                return written && end == await scene.Server.ScalarAsync<NpgsqlLogSequenceNumber>("SELECT pg_current_wal_insert_lsn()", Token);
            },
            "nothing is written meanwhile", TimeSpan.FromSeconds(30), Token);
        try
        {
            var result = await scene.LookAsync();

            (result.DurableLsn, result.LastDurableCommit, result.Of(WalCheck.Rpo).Value).Should().Be((end, commit, 0));
        }
        finally
        {
            File.Delete(partial);
        }
    }

    [Fact]
    public async Task A_role_needs_one_function_and_without_it_is_told_the_GRANT()
    {
        await scene.HealthyAsync();
        await scene.CaughtUpAsync();
        await scene.Server.ExecuteAsync("CREATE ROLE monitor_role LOGIN", Token);
        await using var source = NpgsqlDataSource.Create(scene.Server.GetConnectionString(user: "monitor_role"));
        var monitor = new WalMonitor(source, scene.ArchiveStore);

        var refused = await monitor.RunAsync(Token);
        await scene.Server.ExecuteAsync(refused.Of(WalCheck.BacklogAge).Hint!.Split(" TO ")[0] + " TO monitor_role", Token);
        var granted = await monitor.RunAsync(Token);
        await scene.Server.ExecuteAsync("DROP OWNED BY monitor_role; DROP ROLE monitor_role", Token);

        (refused.Of(WalCheck.BacklogAge).Level, refused.Of(WalCheck.BacklogAge).Value, refused.Worst).Should().Be((WalCheckLevel.Unknown, null, WalCheckLevel.Unknown));
        (refused.Of(WalCheck.Backlog).Level, refused.Of(WalCheck.Backlog).Value).Should().Be((WalCheckLevel.Ok, 0));
        refused.Of(WalCheck.Backlog).Text.Should().StartWith($"Reckoned from '{scene.Archived[^1]}'");
        granted.Worst.Should().Be(WalCheckLevel.Ok, "{0}", string.Join('\n', granted.Checks));
    }

    [Fact]
    public async Task What_cannot_be_asked_is_critical_and_what_depends_on_it_unknown()
    {
        await scene.HealthyAsync();
        var other = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("other")).FullName);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = scene.Server.MajorVersion, WalSegmentSize = SegmentSize }.WriteAsync(other, Token);
        await using var nobody = NpgsqlDataSource.Create(scene.Server.GetConnectionString(user: "no_such_role"));

        var noServer = await new WalMonitor(nobody, scene.ArchiveStore).RunAsync(Token);
        var noArchive = await new WalMonitor(scene.Server.DataSource, new DirectoryObjectStore("/nowhere/at/all")).RunAsync(Token);
        var foreign = await new WalMonitor(scene.Server.DataSource, other).RunAsync(Token);
        var alone = await new WalMonitor(null, scene.ArchiveStore, null, new WalMonitorOptions { Checks = [WalCheck.Rpo, WalCheck.Gaps, WalCheck.Gaps] }).RunAsync(Token);

        noServer.Checks.Select(c => (c.Name, c.Level)).Should().Equal(
            ("server", WalCheckLevel.Critical), ("repository", WalCheckLevel.Ok), ("archiver", WalCheckLevel.Unknown), ("backlog", WalCheckLevel.Unknown), ("backlog-age", WalCheckLevel.Unknown),
            ("gaps", WalCheckLevel.Ok), ("rpo", WalCheckLevel.Unknown), ("rpo-bytes", WalCheckLevel.Unknown));
        foreach (var result in (WalMonitorResult[])[noArchive, foreign])
        {
            result.Checks.Where(c => c.Level != WalCheckLevel.Ok).Select(c => (c.Name, c.Level)).Should().Equal(
                ("repository", WalCheckLevel.Critical), ("gaps", WalCheckLevel.Unknown), ("rpo", WalCheckLevel.Unknown), ("rpo-bytes", WalCheckLevel.Unknown));
            result.Of(WalCheck.Repository).Hint.Should().NotBeNull();
            result.Checks.Select(c => c.Text).Should().NotContain(text => text.Contains("Hint:"), "the hint stands beside the text");
        }

        foreign.Of(WalCheck.Repository).Text.Should().Contain("'42'");
        alone.Checks.Select(c => (c.Name, c.Level)).Should().Equal(("gaps", WalCheckLevel.Ok), ("rpo", WalCheckLevel.Unknown));
    }

    [Fact]
    public async Task An_archive_with_nothing_of_the_server_proves_no_absence_of_gaps()
    {
        await scene.HealthyAsync();
        var empty = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("empty")).FullName);
        await scene.MarkAsync(empty);

        var result = await new WalMonitor(scene.Server.DataSource, empty).RunAsync(Token);

        (result.Of(WalCheck.Gaps).Level, result.Of(WalCheck.Gaps).Value).Should().Be((WalCheckLevel.Unknown, null));
    }

    [Fact]
    public async Task What_a_standby_has_received_and_not_replayed_is_not_safe_for_what_it_has_replayed_being_so()
    {
        await scene.HealthyAsync();
        using var root = new TemporaryDirectory(forServer: true);
        await FileBackup.TakeAsync(scene.Server, root.Combine("backup"), Token);
        var data = await FileBackup.UnpackAsync(root.Combine("backup"), root.Path, "standby.signal", Token);
        var settings = new Dictionary<string, string> { ["primary_conninfo"] = $"host=127.0.0.1 port={scene.Server.Port} user=postgres", ["wal_retrieve_retry_interval"] = "100ms" };
        await using var standby = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = data, Settings = settings }, Token);
        await scene.CommitAsync();
        await scene.CaughtUpAsync();
        var monitor = new WalMonitor(standby.DataSource, scene.ArchiveStore, null, new WalMonitorOptions { Checks = [WalCheck.Rpo] });
        WalMonitorResult? safe = null;
        await Eventually.TrueAsync(async () => (safe = await monitor.RunAsync(Token)).Of(WalCheck.Rpo).Value == 0, "all is replayed and archived", TimeSpan.FromSeconds(60), Token);
        await standby.ExecuteAsync("SELECT pg_wal_replay_pause()", Token);
        await scene.CommitAsync();
        var end = await scene.Server.ScalarAsync<NpgsqlLogSequenceNumber>("SELECT pg_current_wal_lsn()", Token);
        await Eventually.TrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_receive_lsn() >= '{end}'", Token), "it is received", TimeSpan.FromSeconds(60), Token);

        var late = await monitor.RunAsync(Token);

        late.LastDurableCommit.Should().Be(safe!.LastDurableCommit);
        late.Of(WalCheck.Rpo).Value.Should().Be((late.At - late.LastDurableCommit!.Value).TotalSeconds);
    }

    [Fact]
    public async Task The_age_of_the_last_whole_backup_is_told_and_gaps_before_it_are_no_more_than_a_warning()
    {
        await scene.HealthyAsync();
        var gone = await scene.SwitchAsync();
        await scene.CaughtUpAsync();
        File.Delete(Path.Combine(scene.Archive, gone));
        var store = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("backups")).FullName);
        await scene.MarkAsync(store);
        var none = await scene.LookAsync(backups: store);
        var backup = (await new BaseBackup(scene.Server.DataSource, store, scene.ArchiveStore, new BaseBackupOptions()).RunAsync(cancellationToken: Token)).Backup;

        var made = await scene.LookAsync(backups: store);
        File.Delete(Path.Combine(store.Root, backup.Parts[^1].Key));
        var torn = await scene.LookAsync(backups: store);

        (none.Of(WalCheck.LastFullBackupAge).Level, none.Of(WalCheck.LastFullBackupAge).Value, none.Of(WalCheck.Gaps).Level).Should().Be((WalCheckLevel.Critical, null, WalCheckLevel.Critical));
        (made.Of(WalCheck.LastFullBackupAge).Level, made.Of(WalCheck.LastFullBackupAge).Value).Should().Be((WalCheckLevel.Ok, (made.At - backup.Stopped).TotalSeconds));
        (made.Of(WalCheck.Gaps).Level, made.Of(WalCheck.Gaps).Value).Should().Be((WalCheckLevel.Warning, 1));
        (torn.Of(WalCheck.LastFullBackupAge).Level, torn.Of(WalCheck.LastFullBackupAge).Text).Should().Be((WalCheckLevel.Critical, "None of '1' backups is whole and of this cluster."));
    }

    [Fact]
    public async Task Storage_that_hangs_does_not_hang_the_monitor()
    {
        await scene.HealthyAsync();
        var blocked = Directory.CreateDirectory(scene.Fresh("blocked")).FullName;
        ServerAccount.Own(blocked);
        (await ServerProgram.RunAsync("mkfifo", [Path.Combine(blocked, WalArchiveMarker.Key)], null, Token)).ExitCode.Should().Be(0);

        var store = new AskedStore(new DirectoryObjectStore(blocked));
        var monitor = new WalMonitor(scene.Server.DataSource, store, null, new WalMonitorOptions { Timeout = TimeSpan.FromSeconds(2), Checks = [WalCheck.Repository] });

        var first = await monitor.RunAsync(Token);
        var asked = store.Asked;
        var second = await monitor.RunAsync(Token);

        foreach (var result in (WalMonitorResult[])[first, second])
            (result.Worst, result.Checks[0].Text).Should().Be((WalCheckLevel.Critical, "no answer within '00:00:02'."));
        asked.Should().BePositive();
        store.Asked.Should().Be(asked, "one thread that hangs is enough");
        // Somebody else opens the pipe, so that the thread in it gets away.
        await using var other = new FileStream(Path.Combine(blocked, WalArchiveMarker.Key), FileMode.Open, FileAccess.ReadWrite);
    }

    private static NpgsqlLogSequenceNumber StartOf(string segment) => WalFileName.Parse(segment, null).StartLsn(WalSegmentSize.FromBytes(SegmentSize));

    private static NpgsqlLogSequenceNumber EndOf(string segment) => new((ulong)StartOf(segment) + SegmentSize);

    /// <summary>Counts what a store is asked.</summary>
    private sealed class AskedStore(IObjectStore inner) : IObjectStore
    {
        private int _asked;

        public int Asked => Volatile.Read(ref _asked);

        public string Id => inner.Id;

        private IObjectStore Asking
        {
            get
            {
                Interlocked.Increment(ref _asked);
                return inner;
            }
        }

        public Task<string> IdentifyAsync(CancellationToken cancellationToken = default) => Asking.IdentifyAsync(cancellationToken);

        public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default) => Asking.CreateAsync(key, info, cancellationToken);

        public Task<Stream?> OpenReadAsync(string key, CancellationToken cancellationToken = default) => Asking.OpenReadAsync(key, cancellationToken);

        public Task<ObjectEntry?> StatAsync(string key, CancellationToken cancellationToken = default) => Asking.StatAsync(key, cancellationToken);

        public IAsyncEnumerable<ObjectEntry> ListAsync(string prefix, CancellationToken cancellationToken = default) => Asking.ListAsync(prefix, cancellationToken);

        public Task DeleteAsync(string key, CancellationToken cancellationToken = default) => Asking.DeleteAsync(key, cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
