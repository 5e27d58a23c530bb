using System.Net;
using System.Net.Sockets;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Drill;

/// <summary>A server that reaches out in every way there is, backed up, stopped, and drilled: the copy does nothing of it.</summary>
public sealed class HarmlessCopyTests
{
    /// <summary>A row for each way in which a running copy would not be harmless.</summary>
    private const string ReachesOut =
        """
        SELECT s.name, s.setting FROM pg_settings s JOIN (VALUES
            ('archive_mode', 'off'), ('archive_command', ''), ('archive_library', ''), ('primary_conninfo', ''), ('primary_slot_name', ''), ('shared_preload_libraries', ''),
            ('session_preload_libraries', ''), ('local_preload_libraries', ''), ('listen_addresses', ''), ('max_wal_senders', '0'), ('max_logical_replication_workers', '0'),
            ('synchronous_standby_names', ''), ('external_pid_file', ''), ('logging_collector', 'off'), ('log_destination', 'stderr'), ('ssl', 'off'),
            ('archive_cleanup_command', ''), ('recovery_end_command', ''), ('recovery_min_apply_delay', '0')) harmless (name, setting) USING (name)
        WHERE s.setting <> harmless.setting AND NOT (s.name = 'archive_command' AND s.setting = '(disabled)');
        SELECT name FROM pg_settings WHERE name LIKE 'auto_explain.%';
        SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type IN ('archiver', 'walsender', 'walreceiver', 'logical replication launcher', 'logical replication worker');
        SELECT subname FROM pg_subscription WHERE subenabled;
        SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories' AND setting NOT LIKE '%/omnipg-drill-%';
        SELECT setting FROM pg_settings WHERE name = 'data_directory' AND setting NOT LIKE '%/omnipg-drill-%/data'
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_copy_archives_streams_subscribes_preloads_logs_and_listens_nowhere()
    {
        using var root = new TemporaryDirectory(forServer: true);
        using var world = new Listener();
        var (marks, scratch, restored) = (Make(root, "marks"), Make(root, "s"), root.Combine("restored"));
        var store = new DirectoryObjectStore(Make(root, "backups"));
        BackupInfo backup;
        string program;
        var sql = root.Combine("reaches-out.sql");
        await File.WriteAllTextAsync(sql, ReachesOut, Token);
        await using (var server = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"] }, Token))
        {
            program = server.BinDirectory;
            await ReachOutAsync(server, world.Port, marks);
            var control = await PgControlFile.ReadAsync(server.DataDirectory, cancellationToken: Token);
            await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);
            backup = (await new BaseBackup(server.DataSource, store).RunAsync(cancellationToken: Token)).Backup;
            // What the check looks for is there to be found.
            await Eventually.TrueAsync(() => world.Connections > 0, "the server itself reaches out", TimeSpan.FromSeconds(60), Token);
            (await server.ScalarAsync<long>("SELECT count(*) FROM pg_settings WHERE name LIKE 'auto_explain.%'", Token)).Should().BePositive();
            await Eventually.TrueAsync(() => File.Exists(Path.Combine(marks, "archived")), "the server itself archives", TimeSpan.FromSeconds(60), Token);
        }

        foreach (var left in Directory.GetFiles(marks))
            File.Delete(left);
        var before = world.Connections;

        var result = await new RestoreDrill(store, null, new RestoreDrillOptions { ScratchDirectory = scratch, BinDirectory = program, SqlFiles = [sql] }).RunAsync(cancellationToken: Token);

        (result.Verdict, result.Reason).Should().Be((RestoreDrillVerdict.Clean, null), string.Join('\n', result.Findings));
        (result.Backup!.Id, result.ReachedLsn >= backup.StopLsn).Should().Be((backup.Id, true));

        // The same by the settings that backup-restore leaves behind, started as anybody would.
        await new BackupRestore(store, new BackupRestoreOptions { Harmless = true }).RunAsync(restored, cancellationToken: Token);
        await using (var copy = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = restored }, Token))
        {
            await using var command = copy.DataSource.CreateCommand(ReachesOut.Split(';')[0]);
            await using var reader = await command.ExecuteReaderAsync(Token);
            var rows = new List<string>();
            while (await reader.ReadAsync(Token))
                rows.Add($"{reader.GetString(0)} = {reader.GetString(1)}");
            // By the first two the test lets itself in; the last one is what ALTER DATABASE says, which a client outranks, as a drill does, and no file.
            rows.Should().BeEquivalentTo("listen_addresses = 127.0.0.1", "max_wal_senders = 10", "session_preload_libraries = auto_explain");
        }

        world.Connections.Should().Be(before, "no copy reached out");
        Directory.GetFileSystemEntries(marks).Should().BeEmpty();
    }

    [Fact]
    public async Task A_copy_of_a_server_with_an_archive_library_and_a_scheduler_loads_neither()
    {
        using var root = new TemporaryDirectory(forServer: true);
        var (archived, marks, scratch) = (Make(root, "archived"), Make(root, "marks"), Make(root, "s"));
        var store = new DirectoryObjectStore(Make(root, "backups"));
        string program;
        bool hasScheduler;
        var sql = root.Combine("reaches-out.sql");
        await File.WriteAllTextAsync(sql, ReachesOut, Token);
        await using (var server = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"] }, Token))
        {
            program = server.BinDirectory;
            Assert.SkipWhen(server.MajorVersion < 15, "There is no archive_library.");
            Assert.SkipUnless(LibraryOf(server, "basic_archive.so") is not null, "The server comes without basic_archive.");
            hasScheduler = LibraryOf(server, "pg_cron.so") is not null;
            // What a drill has to switch off stands in a file that the server itself reads.
            await File.AppendAllTextAsync(
                Path.Combine(server.DataDirectory, "postgresql.conf"),
                $"\narchive_mode = on\narchive_library = 'basic_archive'\nbasic_archive.archive_directory = '{archived}'\n{(hasScheduler ? "shared_preload_libraries = 'pg_cron'\n" : "")}", Token);
            await server.RestartAsync(Token);
            if (hasScheduler)
            {
                await server.ExecuteAsync("CREATE EXTENSION pg_cron", Token);
                await server.ExecuteAsync($"SELECT cron.schedule('@reboot', $$COPY (SELECT 1) TO PROGRAM 'touch {marks}/$(cat /proc/sys/kernel/random/uuid)'$$)", Token);
                await server.RestartAsync(Token);
                await Eventually.TrueAsync(() => Directory.GetFiles(marks).Length > 0, "the server's own job runs", TimeSpan.FromSeconds(60), Token);
            }

            var control = await PgControlFile.ReadAsync(server.DataDirectory, cancellationToken: Token);
            await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);
            await new BaseBackup(server.DataSource, store).RunAsync(cancellationToken: Token);
            await Eventually.TrueAsync(() => Directory.GetFiles(archived).Length > 0, "the server itself archives", TimeSpan.FromSeconds(60), Token);
        }

        foreach (var left in Directory.GetFiles(marks).Concat(Directory.GetFiles(archived)))
            File.Delete(left);

        var result = await new RestoreDrill(store, null, new RestoreDrillOptions { ScratchDirectory = scratch, BinDirectory = program, SqlFiles = [sql] }).RunAsync(cancellationToken: Token);
        await new BackupRestore(store, new BackupRestoreOptions { Harmless = true }).RunAsync(root.Combine("restored"), cancellationToken: Token);
        await using var copy = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = root.Combine("restored") }, Token);
        await copy.ExecuteAsync("SELECT pg_switch_wal()", Token);

        (result.Verdict, result.Reason).Should().Be((RestoreDrillVerdict.Clean, null), string.Join('\n', result.Findings));
        (await copy.ScalarAsync<string>("SELECT current_setting('archive_mode') || current_setting('archive_library') || current_setting('shared_preload_libraries')", Token)).Should().Be("off");
        Directory.GetFiles(archived).Concat(Directory.GetFiles(marks)).Should().BeEmpty();
    }

    private static string? LibraryOf(PgCluster server, string name) =>
        Directory.EnumerateFiles(Path.GetFullPath(Path.Combine(server.BinDirectory, "..")), name, SearchOption.AllDirectories).FirstOrDefault();

    [Fact]
    public async Task A_table_that_a_prepared_transaction_holds_is_a_finding_and_not_waited_for()
    {
        using var root = new TemporaryDirectory(forServer: true);
        var store = new DirectoryObjectStore(Make(root, "backups"));
        await using var server = await PgCluster.StartAsync(
            new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"], Settings = new Dictionary<string, string> { ["max_prepared_transactions"] = "5" } }, Token);
        await server.ExecuteAsync("CREATE TABLE held (i int)", Token);
        await server.ExecuteAsync("BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'holding'", Token);
        var control = await PgControlFile.ReadAsync(server.DataDirectory, cancellationToken: Token);
        await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(store, Token);
        await new BaseBackup(server.DataSource, store).RunAsync(cancellationToken: Token);
        var options = new RestoreDrillOptions { ScratchDirectory = Make(root, "s"), BinDirectory = server.BinDirectory, Checks = RestoreDrillChecks.Rows };

        var result = await new RestoreDrill(store, null, options).RunAsync(cancellationToken: Token).WaitAsync(TimeSpan.FromMinutes(1), Token);

        result.Findings.Should().ContainSingle().Which.Should().Match<RestoreDrillFinding>(f => f.Subject == "public.held" && f.Text.Contains("lock timeout"));
    }

    private static async Task ReachOutAsync(PgCluster server, int port, string marks)
    {
        string[] settings =
        [
            "archive_mode = 'on'", $"archive_command = 'touch {marks}/archived'", $"primary_conninfo = 'host=127.0.0.1 port={port}'", "primary_slot_name = 'taken'",
            "shared_preload_libraries = 'auto_explain'", "synchronous_standby_names = 'nobody'", $"external_pid_file = '{marks}/pid'", "logging_collector = 'on'",
            $"log_directory = '{marks}'", $"archive_cleanup_command = 'touch {marks}/cleaned'", $"recovery_end_command = 'touch {marks}/ended'", "recovery_min_apply_delay = '1h'",
            "log_destination = 'csvlog'", "session_preload_libraries = 'auto_explain'",
        ];
        foreach (var setting in settings)
            await server.ExecuteAsync($"ALTER SYSTEM SET {setting}", Token);
        await server.ExecuteAsync("ALTER DATABASE postgres SET session_preload_libraries = 'auto_explain'", Token);
        await server.ExecuteAsync("ALTER SYSTEM SET synchronous_commit = 'local'", Token);
        await server.RestartAsync();
        await server.ExecuteAsync($"CREATE SUBSCRIPTION reaching CONNECTION 'host=127.0.0.1 port={port} dbname=x connect_timeout=1' PUBLICATION p WITH (connect = false, slot_name = 'reaching')", Token);
        await server.ExecuteAsync("ALTER SUBSCRIPTION reaching ENABLE", Token);
        await server.ExecuteAsync("SELECT pg_switch_wal()", Token);
    }

    private static string Make(TemporaryDirectory root, string name)
    {
        var folder = Directory.CreateDirectory(root.Combine(name)).FullName;
        ServerAccount.Own(folder);
        return folder;
    }

    /// <summary>The world outside: counts who comes, and hangs up.</summary>
    private sealed class Listener : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private int _connections;

        public Listener()
        {
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public int Connections => Volatile.Read(ref _connections);

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync();
                    Interlocked.Increment(ref _connections);
                }
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
