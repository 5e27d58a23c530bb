using Npgsql;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Recovery;

namespace OmniPg.Wal.Tests.Monitoring;

/// <summary>What the server says of the segments that its archive lacks.</summary>
[Collection(nameof(MonitorCollection))]
public sealed class GapStatusTests(MonitorScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_gap_is_lost_waits_or_is_in_the_archivers_hands()
    {
        await scene.HealthyAsync();
        var lost = await scene.SwitchAsync();
        await scene.CaughtUpAsync();
        File.Delete(Path.Combine(scene.Archive, lost));
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        var (first, second, third) = (await scene.SwitchAsync(), await scene.SwitchAsync(), await scene.SwitchAsync());

        var held = await GapsAsync();
        // As a second worker of a resident process would have it.
        File.Copy(Path.Combine(scene.Server.DataDirectory, "pg_wal", second), Path.Combine(scene.Archive, second));
        var passed = await GapsAsync();
        var unasked = (await new WalRepository(scene.ArchiveStore).VerifyAsync(cancellationToken: Token)).Gaps;
        // It belongs to this account, and the server's command could not write over it.
        File.Delete(Path.Combine(scene.Archive, second));

        held.Should().Equal((lost, lost, WalGapStatus.Lost), (first, first, WalGapStatus.Uploading), (second, third, WalGapStatus.Delayed));
        passed.Should().Equal((lost, lost, WalGapStatus.Lost), (first, first, WalGapStatus.Uploading), (third, third, WalGapStatus.Delayed));
        unasked.Select(g => (g.From.ToString(), g.Status)).Should().Equal((lost, null), (first, null));
    }

    [Fact]
    public async Task What_the_archiver_fails_on_is_not_in_its_hands()
    {
        await scene.HealthyAsync();
        await File.WriteAllTextAsync(scene.Fail, "", Token);
        var waiting = await scene.SwitchAsync();
        await Eventually.TrueAsync(() => scene.Server.ScalarAsync<bool>("SELECT failed_count > 0 FROM pg_stat_archiver", Token), "the command fails", TimeSpan.FromSeconds(60), Token);

        (await GapsAsync()).Should().Equal((waiting, waiting, WalGapStatus.Failing));
        var verified = await WalProgram.RunAsync("verify", "--archive", scene.Archive, "--connection", scene.Server.ConnectionString);
        verified.ExitCode.Should().Be(1, verified.Error);
        verified.Output.Should().Contain($"FAILING {waiting} to {waiting} (1 segments of timeline 1)\n").And.Contain($"archiving fails, last of '{waiting}' at 20");
    }

    [Fact]
    public async Task An_archive_that_holds_nothing_of_what_the_server_has_archived_is_not_good()
    {
        await scene.HealthyAsync();
        await scene.CaughtUpAsync();
        var last = await scene.Server.ScalarAsync<string>("SELECT last_archived_wal FROM pg_stat_archiver", Token);
        var elsewhere = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("elsewhere")).FullName);
        await scene.MarkAsync(elsewhere);

        var result = await new WalRepository(elsewhere).VerifyAsync(new WalVerifyOptions { Server = scene.Server.DataSource }, cancellationToken: Token);

        result.IsGood.Should().BeFalse();
        result.Gaps.Select(g => (g.From.ToString(), g.To.ToString(), g.Status)).Should().Equal((last, last, WalGapStatus.Lost));
    }

    [Fact]
    public async Task A_segment_of_which_a_living_receiver_has_a_part_is_on_its_way_and_an_archive_without_a_segment_lacks_what_waits()
    {
        await scene.HealthyAsync();
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        var (first, second) = (await scene.SwitchAsync(), await scene.SwitchAsync());
        var empty = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("empty")).FullName);
        await scene.MarkAsync(empty);
        File.Copy(Path.Combine(scene.Server.DataDirectory, "pg_wal", second), Path.Combine(scene.Archive, second + ".partial"));

        var left = await GapsAsync();
        await using var receiver = new Npgsql.Replication.PhysicalReplicationConnection(scene.Server.ConnectionString);
        await receiver.Open(Token);
        var received = await GapsAsync();
        File.Delete(Path.Combine(scene.Archive, second + ".partial"));
        var lacking = (await new WalRepository(empty).VerifyAsync(new WalVerifyOptions { Server = scene.Server.DataSource }, cancellationToken: Token)).Gaps;

        left.Should().Equal((first, first, WalGapStatus.Uploading), (second, second, WalGapStatus.Delayed));
        received.Should().Equal((first, second, WalGapStatus.Uploading));
        lacking.Select(g => (g.From.ToString(), g.To.ToString(), g.Status)).Should().Equal((first, first, WalGapStatus.Uploading), (second, second, WalGapStatus.Delayed));
    }

    [Fact]
    public async Task What_lies_in_the_directory_of_a_receiver_is_late_for_verify_and_monitor_and_lost_for_who_does_not_know_it()
    {
        await scene.HealthyAsync();
        var held = await scene.SwitchAsync();
        await scene.CaughtUpAsync();
        var receiver = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("receiver")).FullName);
        await scene.MarkAsync(receiver);
        File.Move(Path.Combine(scene.Archive, held), Path.Combine(receiver.Root, held));
        await scene.SwitchAsync();
        await scene.CaughtUpAsync();

        var unknown = await GapsAsync();
        var known = await WalProgram.RunAsync("verify", "--archive", scene.Archive, "--connection", scene.Server.ConnectionString, "--receiver", receiver.Root);
        var monitored = await WalProgram.RunAsync("monitor", "--check", "gaps", "--archive", scene.Archive, "--connection", scene.Server.ConnectionString, "--receiver", receiver.Root);
        File.Move(Path.Combine(receiver.Root, held), Path.Combine(scene.Archive, held));

        unknown.Should().Equal((held, held, WalGapStatus.Lost));
        known.Output.Should().Contain($"DELAYED {held} to {held} (1 segments of timeline 1)\n");
        (known.ExitCode, monitored.ExitCode, monitored.Output).Should().Be((0, 0, "0\n"));
        FluentActions.Invoking(() => new WalMonitor(null, scene.ArchiveStore, null, new WalMonitorOptions { ReceiverDirectory = receiver.Root })).Should().Throw<ArgumentException>();
    }

    [Fact]
    public async Task What_a_standby_has_finished_while_its_archive_was_listed_is_on_its_way()
    {
        await scene.HealthyAsync();
        using var root = new TemporaryDirectory(forServer: true);
        var archive = new DirectoryObjectStore(Directory.CreateDirectory(root.Combine("archive")).FullName);
        await scene.MarkAsync(archive);
        ServerAccount.Own(archive.Root);
        await using var standby = await ArchivingStandbyAsync(root, archive.Root);
        await EndedAsync();
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(archive.Root, "lately")), "the standby archives", TimeSpan.FromSeconds(60), Token);
        await File.WriteAllTextAsync(root.Combine("hold"), "", Token);
        string first = "", second = "";
        // The server was asked before; what a second worker of a resident process has stored since is in the list.
        var listed = new HookedStore(archive)
        {
            Listing = () =>
            {
                if (first.Length > 0)
                    return;
                (first, second) = (EndedAsync().GetAwaiter().GetResult(), EndedAsync().GetAwaiter().GetResult());
                File.Copy(Path.Combine(standby.DataDirectory, "pg_wal", second), Path.Combine(archive.Root, second));
            },
        };

        var result = await new WalRepository(listed).VerifyAsync(new WalVerifyOptions { Server = standby.DataSource }, cancellationToken: Token);
        File.Delete(root.Combine("hold"));

        result.Gaps.Select(g => (g.From.ToString(), g.To.ToString(), g.Status)).Should().Equal((first, first, WalGapStatus.Uploading));
        result.IsGood.Should().BeTrue();

        async Task<string> EndedAsync()
        {
            var name = await scene.SwitchAsync();
            var end = await scene.Server.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text", Token);
            await Eventually.TrueAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{end}'", Token), "the standby has replayed it", TimeSpan.FromSeconds(60), Token);
            return name;
        }
    }

    [Fact]
    public async Task The_program_ends_well_when_every_gap_fills_by_itself()
    {
        await scene.HealthyAsync();
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        var waiting = await scene.SwitchAsync();
        string[] words = ["verify", "--archive", scene.Archive, "--connection", scene.Server.ConnectionString];

        var text = await WalProgram.RunAsync(words);
        var json = await WalProgram.RunAsync([.. words, "--json"]);

        (text.ExitCode, json.ExitCode).Should().Be((0, 0), "{0}{1}", text.Output, text.Error);
        text.Output.Should().Contain($"UPLOADING {waiting} to {waiting} (1 segments of timeline 1)\n");
        System.Text.Json.JsonDocument.Parse(json.Output).RootElement.GetProperty("gaps")[0].GetProperty("status").GetString().Should().Be("uploading");
    }

    [Fact]
    public async Task A_server_of_another_cluster_or_without_an_answer_is_an_error()
    {
        await scene.HealthyAsync();
        await scene.Server.ExecuteAsync("CREATE ROLE curious LOGIN", Token);
        await using var curious = NpgsqlDataSource.Create(scene.Server.GetConnectionString(user: "curious"));
        await using var nobody = NpgsqlDataSource.Create(scene.Server.GetConnectionString(user: "no_such_role"));
        var other = new DirectoryObjectStore(Directory.CreateDirectory(scene.Fresh("other")).FullName);
        await new WalArchiveMarker { SystemIdentifier = 42, PgVersion = scene.Server.MajorVersion, WalSegmentSize = 1 << 20 }.WriteAsync(other, Token);

        var untold = await FailureAsync<WalServerException>(scene.ArchiveStore, curious);
        await scene.Server.ExecuteAsync(untold.Hint!.Split(" TO ")[0] + " TO curious", Token);
        var told = await new WalRepository(scene.ArchiveStore).VerifyAsync(new WalVerifyOptions { Server = curious }, cancellationToken: Token);
        await scene.Server.ExecuteAsync("DROP OWNED BY curious; DROP ROLE curious", Token);
        await using var silent = await PgCluster.StartAsync(new PgClusterOptions(), Token);
        var idle = await FailureAsync<WalServerException>(scene.ArchiveStore, silent.DataSource);
        var absent = await FailureAsync<WalServerException>(scene.ArchiveStore, nobody);
        var foreign = await FailureAsync<WalArchiveMismatchException>(other, scene.Server.DataSource);

        told.IsGood.Should().BeTrue();
        idle.Message.Should().Contain("'archive_mode = off'");
        absent.Message.Should().Contain("no_such_role");
        foreign.Message.Should().Contain("'42'");
    }

    [Fact]
    public async Task The_monitor_takes_for_lost_what_verify_does()
    {
        await scene.HealthyAsync();
        var lost = await scene.SwitchAsync();
        await scene.CaughtUpAsync();
        File.Delete(Path.Combine(scene.Archive, lost));
        await File.WriteAllTextAsync(scene.Hold, "", Token);
        string first = "", second = "";
        var listed = new HookedStore(scene.ArchiveStore)
        {
            Listing = () =>
            {
                if (first.Length > 0)
                    return;
                (first, second) = (scene.SwitchAsync().GetAwaiter().GetResult(), scene.SwitchAsync().GetAwaiter().GetResult());
                File.Copy(Path.Combine(scene.Server.DataDirectory, "pg_wal", second), Path.Combine(scene.Archive, second));
            },
        };

        var watched = await new WalMonitor(scene.Server.DataSource, listed).RunAsync(Token);
        var verified = await GapsAsync();
        // It belongs to this account, and the server's command could not write over it.
        File.Delete(Path.Combine(scene.Archive, second));

        verified.Should().Equal((lost, lost, WalGapStatus.Lost), (first, first, WalGapStatus.Uploading));
        watched.Of(WalCheck.Gaps).Value.Should().Be(1);
        watched.Of(WalCheck.Gaps).Text.Should().Contain($"first '{lost}' to '{lost}'");
    }

    /// <summary>A standby that streams, and archives what it receives into a folder of its own.</summary>
    private async Task<PgCluster> ArchivingStandbyAsync(TemporaryDirectory root, string archive)
    {
        await FileBackup.TakeAsync(scene.Server, root.Combine("backup"), Token);
        var data = await FileBackup.UnpackAsync(root.Combine("backup"), root.Path, "standby.signal", Token);
        var settings = new Dictionary<string, string>
        {
            ["primary_conninfo"] = $"host=127.0.0.1 port={scene.Server.Port} user=postgres",
            ["wal_retrieve_retry_interval"] = "100ms",
            ["archive_mode"] = "always",
            ["archive_command"] = $"while test -f {root.Combine("hold")}; do sleep 0.05; done; cp %p {archive}/%f && touch {archive}/lately",
        };
        return await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = data, Settings = settings }, Token);
    }

    private static async Task<T> FailureAsync<T>(IObjectStore archive, NpgsqlDataSource server)
        where T : Exception
    {
        var refused = async () => await new WalRepository(archive).VerifyAsync(new WalVerifyOptions { Server = server }, cancellationToken: Token);
        return (await refused.Should().ThrowAsync<T>()).Which;
    }

    private async Task<IEnumerable<(string From, string To, WalGapStatus? Status)>> GapsAsync()
    {
        var result = await new WalRepository(scene.ArchiveStore).VerifyAsync(new WalVerifyOptions { Server = scene.Server.DataSource }, cancellationToken: Token);
        result.Problems.Should().BeEmpty();
        return result.Gaps.Select(g => (g.From.ToString(), g.To.ToString(), g.Status));
    }
}
