using Npgsql;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

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
