using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Interop;

/// <summary>Base backups of other tools: named as what they are, counted with the WAL that is there, refused when they are to be restored.</summary>
public sealed class ForeignBackupTests : IDisposable
{
    private const string BackRest = "/usr/bin/pgbackrest";
    private readonly TemporaryDirectory _root = new(forServer: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task Backups_of_pgBackRest_are_listed_with_what_their_WAL_reaches_and_refused_by_name()
    {
        Assert.SkipUnless(File.Exists(BackRest), "pgbackrest is not installed.");
        await using var server = await PgCluster.StartAsync(new PgClusterOptions { Version = 15, InitDbArguments = ["--wal-segsize=1"], Settings = new Dictionary<string, string> { ["archive_mode"] = "on" } }, Token);
        var configuration = Configure(server);
        await RunAsync(configuration, "stanza-create");
        await server.ExecuteAsync($"ALTER SYSTEM SET archive_command = '{BackRest} --config={configuration} --stanza=main archive-push %p'", Token);
        await server.ExecuteAsync("SELECT pg_reload_conf()", Token);
        await RunAsync(configuration, "backup", "--type=full");
        await server.ExecuteAsync("CREATE TABLE later AS SELECT 1", Token);
        await RunAsync(configuration, "backup", "--type=incr");
        await server.ExecuteAsync("CREATE TABLE last AS SELECT 1", Token);
        var switched = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", Token);
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(server.DataDirectory, "pg_wal", "archive_status", switched + ".done")), "the WAL is archived", TimeSpan.FromSeconds(60), Token);
        var (archive, source) = (_root.Combine("repo/archive/main"), _root.Combine("repo/backup/main"));

        var json = await WalProgram.RunAsync("show", "--archive", archive, "--source", source, "--json");
        var text = await WalProgram.RunAsync("show", "--archive", archive, "--source", source, "--no-restore-points");
        var listed = await WalProgram.RunAsync("backups", "--source", source);
        var restore = await WalProgram.RunAsync("backup-restore", "--source", source, "--archive", archive, "--to", _root.Combine("restored"));

        (json.ExitCode, text.ExitCode, listed.ExitCode, restore.ExitCode).Should().Be((0, 0, 0, 10), "{0}{1}{2}", json.Error, text.Error, listed.Error);
        var shown = JsonDocument.Parse(json.Output).RootElement;
        var backups = shown.GetProperty("foreignBackups").EnumerateArray().ToList();
        backups.Select(b => (b.GetProperty("tool").GetString(), b.GetProperty("type").GetString(), b.GetProperty("valid").GetBoolean())).Should().Equal(("pgBackRest", "full", true), ("pgBackRest", "incr", true));
        var last = shown.GetProperty("window").GetProperty("latestCommit").GetString();
        backups.Select(b => b.GetProperty("recoverableTo").GetString()).Should().Equal(last, last);
        var newest = backups[1].GetProperty("id").GetString();
        text.Output.Should().Contain($"\nbackup {newest}: ").And.Contain(", incr of pgBackRest, restored by that, recoverable to ").And.NotContain("recoverable: only with");
        listed.Output.Split('\n')[1].Should().StartWith(newest).And.EndWith(", incr of pgBackRest, restored by that");
        restore.Error.Should().Contain($"The backup '{newest}' in 'directory:{source}' is one of pgBackRest, whose files this package does not read.").And.Contain("Restore it with pgBackRest");
        Directory.Exists(_root.Combine("restored")).Should().BeFalse();
    }

    [Fact]
    public async Task Backups_of_Barman_are_listed_and_one_that_did_not_end_is_not_valid()
    {
        await WriteAsync("20260501T120000", "status=DONE\nmode=postgres\nbegin_time=2026-05-01 12:00:00.250000+02:00\nend_time=2026-05-01 12:10:00+02:00\nbegin_wal=000000010000000000000007\nend_wal=000000010000000000000008\n"
            + "begin_xlog=0/7000028\nend_xlog=0/8000100\nsystemid=7713809205216725042\nversion=150020\nerror=None\n");
        await WriteAsync("20260502T120000", "status=FAILED\nmode=postgres\nbegin_time=2026-05-02 12:00:00+02:00\nend_time=None\nbegin_wal=None\nsystemid=7713809205216725042\nversion=150020\n");
        var catalog = new BackupCatalog(new DirectoryObjectStore(_root.Path));

        var found = await catalog.ListForeignAsync(cancellationToken: Token);
        var own = await catalog.ListAsync(Token);
        var refused = (await catalog.Awaiting(c => c.GetAsync("20260501T120000", Token)).Should().ThrowAsync<WalBackupException>()).Which;

        own.Should().BeEmpty();
        found[0].Should().BeEquivalentTo(new
        {
            Tool = "Barman", Id = "20260501T120000", Type = "postgres", Started = new DateTimeOffset(2026, 5, 1, 10, 0, 0, 250, TimeSpan.Zero), Stopped = new DateTimeOffset(2026, 5, 1, 10, 10, 0, TimeSpan.Zero),
            SystemIdentifier = 7713809205216725042UL, PgVersion = 15, Problem = (string?)null, RecoverableTo = (DateTimeOffset?)null,
        });
        (found[0].StartLsn.ToString(), found[0].StopLsn.ToString(), found[0].WalFrom.ToString(), found[0].WalTo.ToString()).Should().Be(("0/7000028", "0/8000100", "000000010000000000000007", "000000010000000000000008"));
        (found[1].Problem, found[1].WalFrom).Should().Be(("its status is 'FAILED'", null));
        (refused.Code, refused.BackupId).Should().Be(("wal.backup.foreign", "20260501T120000"));
    }

    [Fact]
    public async Task Backups_of_pgBackRest_made_before_a_pg_upgrade_are_those_of_the_cluster_of_then()
    {
        await WriteListAsync(1700000000);

        var found = await new BackupCatalog(new DirectoryObjectStore(_root.Path)).ListForeignAsync(cancellationToken: Token);

        found.Select(b => (b.Id, b.SystemIdentifier, b.PgVersion)).Should().Equal(("20231114-221320F", 7000000000000000001UL, 15), ("20260501-120000F", 7000000000000000002UL, 17));
    }

    [Fact]
    public async Task A_moment_beyond_all_time_in_another_tools_list_is_damage()
    {
        await WriteListAsync(99999999999999);

        var damaged = async () => await new BackupCatalog(new DirectoryObjectStore(_root.Path)).ListForeignAsync(cancellationToken: Token);

        (await damaged.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.damaged");
    }

    [Fact]
    public async Task A_list_that_cannot_be_read_is_damage_and_an_empty_place_stays_absent()
    {
        await WriteAsync("20260501T120000", "status=DONE\nbegin_time=yesterday\n");

        var damaged = async () => await new BackupCatalog(new DirectoryObjectStore(_root.Path)).ListForeignAsync(cancellationToken: Token);
        var absent = async () => await new BackupCatalog(new DirectoryObjectStore(Directory.CreateDirectory(_root.Combine("empty")).FullName)).ListAsync(Token);

        (await damaged.Should().ThrowAsync<WalBackupException>()).Which.Code.Should().Be("wal.backup.damaged");
        await absent.Should().ThrowAsync<WalArchiveAbsentException>();
    }

    /// <summary>The list of a stanza whose cluster was upgraded between two backups, as pgBackRest 2.45 writes it.</summary>
    private Task WriteListAsync(long started)
    {
        static string Backup(string id, int cluster, long time) =>
            $$"""{{id}}={"backrest-format":5,"backrest-version":"2.45","backup-archive-start":"000000010000000000000002","backup-archive-stop":"000000010000000000000002","backup-error":false,"backup-lsn-start":"0/2000028","backup-lsn-stop":"0/2000100","backup-timestamp-start":{{time}},"backup-timestamp-stop":{{time}},"backup-type":"full","db-id":{{cluster}}}""";

        string[] lines =
        [
            "[backrest]", "backrest-format=5", "backrest-version=\"2.45\"", "", "[backup:current]", Backup("20231114-221320F", 1, started), Backup("20260501-120000F", 2, 1777636800), "",
            "[db]", "db-catalog-version=202406281", "db-control-version=1700", "db-id=2", "db-system-id=7000000000000000002", "db-version=\"17\"", "", "[db:history]",
            """1={"db-catalog-version":202209061,"db-control-version":1300,"db-system-id":7000000000000000001,"db-version":"15"}""",
            """2={"db-catalog-version":202406281,"db-control-version":1700,"db-system-id":7000000000000000002,"db-version":"17"}""",
        ];
        return File.WriteAllLinesAsync(_root.Combine("backup.info"), lines, Token);
    }

    private Task WriteAsync(string id, string info) => File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(_root.Combine($"base/{id}")).FullName, "backup.info"), info, Token);

    private string Configure(PgCluster server)
    {
        var connection = new Npgsql.NpgsqlConnectionStringBuilder(server.ConnectionString);
        var path = _root.Combine("pgbackrest.conf");
        File.WriteAllText(
            path,
            $"[global]\nrepo1-path={_root.Path}/repo\nlock-path={_root.Path}/lock\nlog-path={_root.Path}\nspool-path={_root.Path}/spool\nlog-level-file=off\nlog-level-console=error\nstart-fast=y\n"
            + $"[main]\npg1-path={server.DataDirectory}\npg1-port={connection.Port}\npg1-socket-path={server.RootDirectory}\npg1-user={connection.Username}\n");
        ServerAccount.Own(_root.Path);
        return path;
    }

    private static async Task RunAsync(string configuration, params string[] words)
    {
        var result = await ServerProgram.RunAsync(BackRest, [$"--config={configuration}", "--stanza=main", .. words], null, Token);
        result.ExitCode.Should().Be(0, result.Output + result.Error);
    }
}
