using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>What a server does with a program whose log file cannot be written: it goes on as if there were none.</summary>
[Collection(nameof(RecoveryCollection))]
public sealed class LogFaultTests(RecoveryScene scene) : IDisposable
{
    // Not the server's: its account can neither write nor make anything in it.
    private readonly TemporaryDirectory _foreign = new();
    private readonly TemporaryDirectory _archive = new(forServer: true);

    public void Dispose()
    {
        _foreign.Dispose();
        _archive.Dispose();
    }

    [Fact]
    public async Task The_segment_is_archived_the_counters_are_right_and_the_archiver_lives()
    {
        var token = TestContext.Current.CancellationToken;
        var command = scene.Program.Line("archive", "--log", Log, "--dst-local", $"zstd={_archive.Path}", "%p");
        await using var server = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                Settings = new Dictionary<string, string> { ["archive_mode"] = "on", ["archive_command"] = command },
            },
            token);

        var segment = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", token);
        await Eventually.TrueAsync(
            () => server.ScalarAsync<bool>($"SELECT coalesce(last_archived_wal, '') >= '{segment}' FROM pg_stat_archiver", token), "the segment counts as archived", TimeSpan.FromSeconds(60), token);

        (await server.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", token)).Should().Be(0, server.ReadLog());
        File.Exists(Path.Combine(_archive.Path, segment + ".zst")).Should().BeTrue();
        await Eventually.TrueAsync(
            () => server.ReadLog().Contains($"The log '{Log}' cannot be written, so its lines follow here: ", StringComparison.Ordinal), "the lines are in the server's log", cancellationToken: token);
        server.ReadLog().Should().NotContain("archive command failed");
    }

    [Fact]
    public async Task A_standby_stays_up_and_gets_its_segments()
    {
        var token = TestContext.Current.CancellationToken;
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "standby.signal", token);
        var command = scene.Program.Line("restore", "--timeout", "1", "--log", Log, "--source", scene.Archive, "%f", "%p");
        await using var standby = await PgCluster.StartAsync(
            new PgClusterOptions { ExistingDataDirectory = data, Settings = RecoveryScene.Settings(command) }, token);

        await Eventually.TrueAsync(
            async () => await standby.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname = 'after_all'", token) == 1,
            "the standby has replayed the archive", TimeSpan.FromSeconds(120), token);

        standby.IsRunning.Should().BeTrue();
        (await standby.ScalarAsync<bool>("SELECT pg_is_in_recovery()", token)).Should().BeTrue();
        (await standby.ScalarAsync<long>("SELECT count(*) FROM kept", token)).Should().Be(200);
        standby.ReadLog().Should().NotContain("exit code").And.Contain("cannot be written, so its lines follow here: ");
    }

    private string Log => ServerAccount.Name is null ? "/dev/full" : _foreign.Combine("omnipg.log");
}
