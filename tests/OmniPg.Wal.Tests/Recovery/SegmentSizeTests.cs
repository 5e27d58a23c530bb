using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

public sealed class SegmentSizeTests : IDisposable
{
    private readonly TemporaryDirectory _archive = new(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);

    public void Dispose() => _archive.Dispose();

    // The largest size is real, but its segments hold little: what the codec leaves of them is small, and they are removed at the end.
    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(1024)]
    public async Task Segments_of_any_size_are_archived_read_restored_and_cleaned_up(int mebibytes)
    {
        Assert.SkipWhen(new DriveInfo(_archive.Path).AvailableFreeSpace < 6L * mebibytes << 20, "There is no room for segments of this size.");
        var token = TestContext.Current.CancellationToken;
        using var program = ServerCommand.Prepare("omnipg-wal");
        await using var cluster = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = [$"--wal-segsize={mebibytes}"],
                Settings = new Dictionary<string, string>
                {
                    ["archive_mode"] = "on",
                    ["archive_command"] = program.Line("archive", "--dst-local", $"lz4={_archive.Path}", "--layout", "sharded", "%p"),
                    ["min_wal_size"] = $"{2 * mebibytes}MB",
                    ["max_wal_size"] = $"{4 * mebibytes}MB",
                },
            },
            token);
        var first = await SwitchAsync(cluster, token);
        var second = await SwitchAsync(cluster, token);
        await Eventually.TrueAsync(() => File.Exists(PathOf(second)), "both segments are archived", TimeSpan.FromSeconds(120), token);

        var restored = await program.RunAsync(["restore", "--source", _archive.Path, first, _archive.Combine("out")], cluster.DataDirectory, token);
        var verified = await program.RunAsync(["verify", "--archive", _archive.Path], cancellationToken: token);
        var dumped = await program.RunAsync(["dump", PathOf(first)], cancellationToken: token);
        var cleaned = await program.RunAsync(["cleanup", "--archive", _archive.Path, second], cancellationToken: token);

        restored.ExitCode.Should().Be(0, restored.Error);
        new FileInfo(_archive.Combine("out")).Length.Should().Be((long)mebibytes << 20);
        verified.ExitCode.Should().Be(0, verified.Output + verified.Error);
        verified.Output.Should().Contain("; 0 invalid, 0 gaps");
        dumped.ExitCode.Should().Be(0, dumped.Error);
        dumped.Output.Should().Contain("SWITCH");
        cleaned.ExitCode.Should().Be(0, cleaned.Error);
        File.Exists(PathOf(first)).Should().BeFalse();
        File.Exists(PathOf(second)).Should().BeTrue();
    }

    private string PathOf(string name) => _archive.Combine(name[..16], name + ".lz4");

    private static async Task<string> SwitchAsync(PgCluster cluster, CancellationToken token)
    {
        await cluster.ExecuteAsync("CREATE TABLE IF NOT EXISTS t (id int)", token);
        await cluster.ExecuteAsync("INSERT INTO t SELECT generate_series(1, 1000)", token);
        return await cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_switch_wal())", token);
    }
}
