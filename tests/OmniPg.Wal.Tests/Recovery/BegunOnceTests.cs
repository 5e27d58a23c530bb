using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>An idle server right after a checkpoint: neither its <c>.done</c> files nor a state directory tell that it has archived before.</summary>
[Collection(nameof(RecoveryCollection))]
public sealed class BegunOnceTests(RecoveryScene scene) : IDisposable
{
    private readonly TemporaryDirectory _root = new(forServer: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _root.Dispose();

    [Fact]
    public async Task No_archive_is_begun_below_missing_storage_when_a_checkpoint_has_removed_every_done_file()
    {
        var archive = Make("archive");
        await using var server = await StartAsync(archive);
        await SwitchAsync(server);
        await ArchivedAsync(server, 1);
        // The name of the archive stays behind, empty, as when its file system is unmounted.
        Directory.Move(archive, _root.Combine("unmounted"));
        Make("archive");
        await server.ExecuteAsync("CHECKPOINT", Token);
        Directory.GetFiles(Status(server), "*.done").Should().BeEmpty();

        await SwitchAsync(server);
        await Eventually.TrueAsync(
            () => server.ScalarAsync<bool>("SELECT failed_count > 0 FROM pg_stat_archiver", Token), "the archiver is refused", TimeSpan.FromSeconds(60), Token);

        Directory.EnumerateFileSystemEntries(archive).Should().BeEmpty();
        await Eventually.TrueAsync(
            () => server.ReadLog().Contains($"There is no archive at 'directory:{archive}'", StringComparison.Ordinal), "the server's log says why", cancellationToken: Token);
        server.ReadLog().Should().Contain("may have archived before: its oldest WAL file is '000000010000000000000002'.");
        Directory.Delete(archive);
        Directory.Move(_root.Combine("unmounted"), archive);
        // After three failures the archiver sleeps for a minute; this wakes it.
        await server.ExecuteAsync("SELECT pg_reload_conf()", Token);
        await ArchivedAsync(server, 2);
        Directory.GetFiles(archive, "0*").Select(Path.GetFileName).Order(StringComparer.Ordinal)
            .Should().Equal("000000010000000000000001", "000000010000000000000002");
    }

    [Fact]
    public async Task A_server_that_begins_to_archive_after_a_while_begins_its_archive_by_hand_once()
    {
        var archive = Make("archive");
        await using var server = await StartAsync(archive, archiving: false);
        await SwitchAsync(server);
        await server.ExecuteAsync("CHECKPOINT", Token);
        await SwitchAsync(server);
        string[] call = ["archive", "--data-dir", server.DataDirectory, "--dst-local", archive, "pg_wal/000000010000000000000002"];

        var refused = await RunAsync(call);
        var begun = await RunAsync("init", "--data-dir", server.DataDirectory, "--archive", archive);
        var archived = await RunAsync(call);

        (refused.ExitCode, begun.ExitCode, archived.ExitCode).Should().Be((10, 0, 0), refused.Error + begun.Error + archived.Error);
        refused.Error.Should().Contain("omnipg-wal init");
    }

    [Fact]
    public async Task A_server_whose_first_segment_is_still_there_begins_its_archive_by_itself()
    {
        var archive = Make("archive");
        await using var server = await StartAsync(archive, archiving: false);
        await SwitchAsync(server);
        await SwitchAsync(server);

        var archived = await RunAsync("archive", "--data-dir", server.DataDirectory, "--dst-local", archive, "pg_wal/000000010000000000000002");

        archived.ExitCode.Should().Be(0, archived.Error);
    }

    private string Make(string name)
    {
        var path = Directory.CreateDirectory(_root.Combine(name)).FullName;
        ServerAccount.Own(path);
        return path;
    }

    private Task<ProgramResult> RunAsync(params string[] words) => ServerProgram.RunAsync("/bin/sh", ["-c", scene.Program.Line(words)], null, Token);

    private Task<PgCluster> StartAsync(string archive, bool archiving = true) => PgCluster.StartAsync(
        new PgClusterOptions
        {
            Settings = new Dictionary<string, string> { ["archive_mode"] = archiving ? "on" : "off", ["archive_command"] = scene.Program.Line("archive", "--dst-local", archive, "%p") },
        },
        Token);

    private static string Status(PgCluster server) => Path.Combine(server.DataDirectory, "pg_wal", "archive_status");

    private static Task SwitchAsync(PgCluster server) => server.ExecuteAsync("CREATE TABLE IF NOT EXISTS t (i int); INSERT INTO t VALUES (1); SELECT pg_switch_wal()", Token);

    private static Task ArchivedAsync(PgCluster server, int count) => Eventually.TrueAsync(
        () => server.ScalarAsync<bool>($"SELECT archived_count >= {count} FROM pg_stat_archiver", Token), $"{count} segments are archived", TimeSpan.FromSeconds(90), Token);
}
