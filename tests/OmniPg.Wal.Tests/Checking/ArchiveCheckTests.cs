using System.Text.Json;
using Npgsql;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Checking;

/// <summary>What check says of a server that archives, one that does not, and each way in between.</summary>
public sealed class ArchiveCheckTests(ArchiveCheckTests.Scene scene) : IClassFixture<ArchiveCheckTests.Scene>
{
    private static readonly ArchiveCheckOptions Quick = new() { Timeout = TimeSpan.FromSeconds(1), FreeSpace = 0 };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_segment_of_a_healthy_server_arrives_in_every_archive()
    {
        var result = await new ArchiveCheck(scene.Server.DataSource, [scene.ArchiveStore], new ArchiveCheckOptions { FreeSpace = 0 }).RunAsync(Token);
        var program = await WalProgram.RunAsync("check", "--connection", scene.Server.ConnectionString, "--archive", scene.Archive, "--format", "json");

        result.Findings.Should().BeEmpty();
        File.Exists(Path.Combine(scene.Archive, result.Segment.ToString()!)).Should().BeTrue();
        result.Arrival.Should().BePositive();
        var report = JsonDocument.Parse(program.Output).RootElement;
        report.GetProperty("segment").GetString().Should().NotBe(result.Segment.ToString()).And.HaveLength(24);
        report.GetProperty("findings").EnumerateArray().Should().NotContain(f => f.GetProperty("level").GetString() == "critical");
    }

    [Theory]
    [InlineData("true", "archive_command", "archives nothing and tells the server that it did")]
    [InlineData("", "archive_command", "piles up")]
    public async Task A_command_that_archives_nothing_is_critical(string command, string subject, string text)
    {
        await WithCommandAsync(command, async () =>
        {
            var result = await new ArchiveCheck(scene.Server.DataSource, [scene.ArchiveStore], Quick).RunAsync(Token);

            (result.Worst, result.Segment).Should().Be((ArchiveCheckLevel.Critical, null));
            result.Findings.Should().Contain(f => f.Subject == subject && f.Text.Contains(text, StringComparison.Ordinal) && f.Hint.Contains("archive_command = ", StringComparison.Ordinal));
        });
    }

    [Fact]
    public async Task A_library_beside_a_command_does_the_work_in_15_and_stops_it_since_16()
    {
        var library = Path.Combine(scene.Server.BinDirectory, "..", "lib", "basic_archive.so");
        var isDecidedByLibrary = scene.Server.MajorVersion == 15;
        Assert.SkipWhen(scene.Server.MajorVersion < 15, "There is no archive_library.");
        Assert.SkipUnless(!isDecidedByLibrary || File.Exists(library), "The server comes without basic_archive.");
        var configuration = Path.Combine(scene.Server.DataDirectory, "postgresql.conf");
        var before = await File.ReadAllTextAsync(configuration, Token);
        await File.AppendAllTextAsync(configuration, $"\narchive_library = 'basic_archive'\nbasic_archive.archive_directory = '{scene.Archive}'\n", Token);
        try
        {
            // Which would lose WAL if it were asked.
            await WithCommandAsync("true", async () =>
            {
                await scene.UntilAsync("current_setting('archive_library') = 'basic_archive'");
                var result = await new ArchiveCheck(scene.Server.DataSource, [scene.ArchiveStore], isDecidedByLibrary ? new ArchiveCheckOptions { FreeSpace = 0 } : Quick).RunAsync(Token);

                var both = result.Findings.Should().ContainSingle(f => f.Subject == "archive_library").Which;
                result.Findings.Should().NotContain(f => f.Subject == "archive_command");
                both.Level.Should().Be(isDecidedByLibrary ? ArchiveCheckLevel.Warning : ArchiveCheckLevel.Critical);
                result.Worst.Should().Be(both.Level);
                result.Arrival.HasValue.Should().Be(isDecidedByLibrary);
            });
        }
        finally
        {
            await File.WriteAllTextAsync(configuration, before, Token);
            await scene.Server.ExecuteAsync("SELECT pg_reload_conf()", Token);
            await scene.UntilAsync("current_setting('archive_library') = ''");
        }
    }

    [Theory]
    [InlineData("The key file '/nowhere/key' cannot be used", "--archive", "/tmp", "--key", "/nowhere/key")]
    [InlineData("The option --archive is required.")]
    public async Task Trouble_that_is_no_finding_is_told_in_the_line_of_the_plugin_too(string text, params string[] words)
    {
        var result = await WalProgram.RunAsync(["check", "--connection", "Host=/nowhere", "--format", "nagios", .. words]);

        result.ExitCode.Should().Be(3);
        result.Output.Should().StartWith($"OMNIPG_WAL UNKNOWN - {text}");
        result.Output.Split('\n').Should().HaveCount(2);
    }

    [Fact]
    public async Task A_segment_that_does_not_arrive_is_critical_and_names_the_archive()
    {
        await WithCommandAsync("exit 3", async () =>
        {
            var result = await new ArchiveCheck(scene.Server.DataSource, [scene.ArchiveStore], Quick).RunAsync(Token);

            result.Worst.Should().Be(ArchiveCheckLevel.Critical);
            (result.Segment.HasValue, result.Arrival).Should().Be((true, null));
            result.Findings[0].Subject.Should().Be(scene.ArchiveStore.Id);
            result.Findings[0].Text.Should().Contain($"'{result.Segment}' did not arrive within");
        });
    }

    [Fact]
    public async Task A_segment_that_arrived_encrypted_is_not_said_to_be_missing()
    {
        await WithCommandAsync(scene.Command + ".enc", async () =>
        {
            // Told when it has arrived, and not when the hour is over.
            var result = await new ArchiveCheck(scene.Server.DataSource, [scene.ArchiveStore], new ArchiveCheckOptions { Timeout = TimeSpan.FromHours(1), FreeSpace = 0 })
                .RunAsync(Token).WaitAsync(TimeSpan.FromSeconds(60), Token);

            result.Findings.Where(f => f.Level == ArchiveCheckLevel.Critical).Should().ContainSingle().Which.Text.Should().Contain($"'{result.Segment}.enc' in").And.Contain("is encrypted");
        });
    }

    [Fact]
    public async Task An_archive_that_is_away_or_of_another_cluster_is_critical_and_nothing_is_switched()
    {
        var other = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("other")).FullName);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = scene.Server.MajorVersion, WalSegmentSize = 1 << 20 }.WriteAsync(other, Token);

        var result = await new ArchiveCheck(scene.Server.DataSource, [scene.ArchiveStore, other, new DirectoryObjectStore("/nowhere/at/all")], Quick).RunAsync(Token);

        result.Segment.Should().BeNull();
        result.Findings.Select(f => (f.Level, f.Subject)).Should().BeEquivalentTo(
            [(ArchiveCheckLevel.Critical, other.Id), (ArchiveCheckLevel.Critical, new DirectoryObjectStore("/nowhere/at/all").Id)]);
        result.Findings.Should().OnlyContain(f => f.Hint.Length > 0);
    }

    [Fact]
    public async Task A_role_without_the_right_to_switch_is_told_the_GRANT_and_may_look()
    {
        await scene.Server.ExecuteAsync("CREATE ROLE check_role LOGIN", Token);
        await using var source = NpgsqlDataSource.Create(scene.Server.GetConnectionString(user: "check_role"));

        var refused = await new ArchiveCheck(source, [scene.ArchiveStore], Quick).RunAsync(Token);
        var looked = await new ArchiveCheck(source, [scene.ArchiveStore], new ArchiveCheckOptions { SwitchWal = false, FreeSpace = 0 }).RunAsync(Token);
        await scene.Server.ExecuteAsync(refused.Findings[0].Hint.Split(';')[0].Replace("the role", "check_role", StringComparison.Ordinal), Token);
        var granted = await new ArchiveCheck(source, [scene.ArchiveStore], new ArchiveCheckOptions { FreeSpace = 0 }).RunAsync(Token);
        await scene.Server.ExecuteAsync("DROP OWNED BY check_role; DROP ROLE check_role", Token);

        refused.Findings.Should().ContainSingle().Which.Subject.Should().Be("privileges");
        looked.Findings.Should().BeEmpty();
        (granted.Findings.Count, granted.Segment.HasValue).Should().Be((0, true));
    }

    [Fact]
    public async Task A_server_that_does_not_archive_and_one_that_does_not_answer_end_with_2_and_no_archive_named_with_3()
    {
        await using var server = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"], Settings = new Dictionary<string, string> { ["wal_level"] = "minimal", ["max_wal_senders"] = "0" } }, Token);
        var connection = server.ConnectionString;

        var off = await WalProgram.RunAsync("check", "--connection", connection, "--archive", "/nowhere", "--format", "nagios");
        await server.StopAsync(cancellationToken: Token);
        var away = await WalProgram.RunAsync("check", "--connection", connection, "--archive", "/nowhere");
        var wrong = await WalProgram.RunAsync("check", "--connection", connection);

        (off.ExitCode, away.ExitCode, wrong.ExitCode).Should().Be((2, 2, 3), "{0}{1}", off.Error, away.Error);
        off.Output.Should().StartWith("OMNIPG_WAL CRITICAL - ").And.EndWith(" | findings=3\n");
        off.Output.Should().Contain("wal_level: It is 'minimal'");
        away.Output.Should().StartWith("CRITICAL: server: The server cannot be asked: ").And.Contain("\n  next: See that it runs").And.Contain("CRITICAL: directory:/nowhere: ");
    }

    private async Task WithCommandAsync(string command, Func<Task> work)
    {
        await scene.SetCommandAsync(command);
        try
        {
            await work();
        }
        finally
        {
            await scene.SetCommandAsync(scene.Command);
            // What failed meanwhile is tried again, and stays the last word on the archiver until that is done.
            await scene.UntilAsync("coalesce((SELECT last_failed_time < last_archived_time OR last_failed_time IS NULL FROM pg_stat_archiver), true)");
        }
    }

    /// <summary>A server with a simple archive_command, which its configuration file tells.</summary>
    public sealed class Scene : IAsyncLifetime
    {
        private readonly TemporaryDirectory _root = new(forServer: true);

        public PgCluster Server { get; private set; } = null!;

        public string Archive => _root.Combine("archive");

        public string Command => $"cp %p {Archive}/%f";

        public IObjectStore ArchiveStore => new DirectoryObjectStore(Archive);

        public string Fresh(string name) => _root.Combine(name);

        public async ValueTask InitializeAsync()
        {
            Directory.CreateDirectory(Archive);
            Server = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"], Settings = new Dictionary<string, string> { ["archive_mode"] = "on" } }, Token);
            var control = await PgControlFile.ReadAsync(Server.DataDirectory, cancellationToken: Token);
            await new WalArchiveMarker { SystemIdentifier = control.SystemIdentifier, PgVersion = Server.MajorVersion, WalSegmentSize = control.SegmentSize }.WriteAsync(ArchiveStore, Token);
            ServerAccount.Own(Archive);
            await SetCommandAsync(Command);
        }

        public async Task SetCommandAsync(string command)
        {
            await Server.ExecuteAsync($"ALTER SYSTEM SET archive_command = '{command}'", Token);
            await Server.ExecuteAsync("SELECT pg_reload_conf()", Token);
            await UntilAsync($"current_setting('archive_command') = '{command}'");
            // The archiver is the last to be told. One that starts anew, as after a change of its library, has read the settings by itself.
            const int hangUp = 1;
            if (await Server.ScalarAsync<int>("SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE backend_type = 'archiver'", Token) is not 0 and var archiver)
                ServerAccount.Signal(archiver, hangUp);
        }

        public Task UntilAsync(string condition) =>
            Eventually.TrueAsync(() => Server.ScalarAsync<bool>($"SELECT {condition}", Token), condition, cancellationToken: Token);

        public async ValueTask DisposeAsync()
        {
            if (Server is not null)
                await Server.DisposeAsync();
            _root.Dispose();
        }
    }
}
