using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>Archives on file systems that are really mounted and unmounted, each in a mount namespace of its test.</summary>
[Collection(nameof(RecoveryCollection))]
public sealed class UnmountedStorageTests(RecoveryScene scene) : IDisposable
{
    private const long Size = 256 << 20;
    private readonly MountNamespace? _mounts = MountNamespace.TryCreate();
    private string _mountPoint = "";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _mounts?.Dispose();

    [Fact]
    public async Task Recovery_stops_when_its_archive_is_unmounted_and_loses_nothing_when_it_is_back()
    {
        var mounts = Prepare("recovery");
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "recovery.signal", Token);
        var running = RunServerAsync(data, PausedInTheMiddle(), mounts);
        await UnmountInTheMiddleAsync(mounts);

        var stopped = await running;

        stopped.ExitCode.Should().NotBe(0);
        stopped.Error.Should().Contain($"There is no archive at 'directory:{_mountPoint}'").And.Contain("FATAL").And.Contain("exit code 255");
        stopped.Error.Should().NotContain("archive recovery complete").And.NotContain("selected new timeline");
        File.Exists(Path.Combine(data, "recovery.signal")).Should().BeTrue("the recovery is not over");

        Mount(mounts);
        await using var recovered = await StartAsync(data, mounts);
        await Eventually.TrueAsync(() => recovered.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", Token), "the recovery ends", TimeSpan.FromSeconds(120), Token);
        (await recovered.ScalarAsync<long>("SELECT count(*) FROM kept", Token)).Should().Be(200);
    }

    [Fact]
    public async Task Standby_stays_up_while_its_archive_is_unmounted_and_catches_up_when_it_is_back()
    {
        var mounts = Prepare("standby");
        var data = await FileBackup.UnpackAsync(scene.Backup, scene.Root, "standby.signal", Token);
        var starting = StartAsync(data, mounts, PausedInTheMiddle());
        await UnmountInTheMiddleAsync(mounts);
        await using var standby = await starting;
        await Eventually.TrueAsync(
            () => standby.ReadLog().Contains($"There is no archive at 'directory:{_mountPoint}'", StringComparison.Ordinal), "the standby notices", TimeSpan.FromSeconds(60), Token);
        (await standby.ScalarAsync<bool>("SELECT pg_is_in_recovery()", Token)).Should().BeTrue();

        Mount(mounts);

        await Eventually.TrueAsync(
            () => standby.ScalarAsync<bool>("SELECT to_regclass('after_all') IS NOT NULL", Token), $"the standby catches up\n{standby.ReadLog()}", TimeSpan.FromSeconds(60), Token);
        (await standby.ScalarAsync<long>("SELECT count(*) FROM kept", Token)).Should().Be(200);
    }

    [Fact]
    public async Task No_segment_goes_to_the_directory_below_an_archive_that_is_not_mounted()
    {
        var mounts = Prepare("archiving", empty: true);
        var state = Directory.CreateDirectory(Path.Combine(scene.Root, "archiving-state")).FullName;
        ServerAccount.Own(state);
        string[] words = ["--data-dir", scene.Primary.DataDirectory, "--state-dir", state, "--dst-local", _mountPoint];
        var (first, second) = (Segment(0), Segment(1));
        (await RunAsync(mounts, ["archive", .. words, "--begin", first])).MustSucceed();
        mounts.Unmount(_mountPoint);

        var unmounted = await RunAsync(mounts, ["archive", .. words, second]);

        unmounted.ExitCode.Should().Be(10, unmounted.Error);
        unmounted.Error.Should().Contain("omnipg-wal init").And.Contain("--begin").And.Contain("has archived before");
        Directory.EnumerateFileSystemEntries(_mountPoint).Should().BeEmpty();
        foreach (var verb in (string[][])[["verify"], ["show"], ["show", "--json"], ["cleanup", Path.GetFileName(second)]])
        {
            var result = await RunAsync(mounts, [verb[0], "--archive", _mountPoint, .. verb[1..]]);
            (result.ExitCode, result.Output).Should().Be((10, ""), result.Error);
            result.Error.Should().Contain("There is no archive at").And.Contain("mount it");
        }

        (await RunAsync(mounts, ["init", "--data-dir", scene.Primary.DataDirectory, "--archive", _mountPoint])).MustSucceed()
            .Output.Should().StartWith($"archive '{_mountPoint}': cluster ").And.Contain("segments of 1048576 bytes");
        (await RunAsync(mounts, ["archive", .. words, second])).ExitCode.Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_full_or_read_only_disk_is_10_and_is_not_claimed(bool full)
    {
        var mounts = Prepare("unwritable", empty: true, size: 128 << 10);
        if (!full)
            mounts.MustRun("mount", "-o", "remount,ro", _mountPoint);

        var result = await RunAsync(mounts, ["archive", "--data-dir", scene.Primary.DataDirectory, "--dst-local", _mountPoint, "--begin", Segment(0)]);

        result.ExitCode.Should().Be(10, result.Error);
        mounts.MustRun("sh", "-c", $"test -z \"$(ls -A '{_mountPoint}')\"");
    }

    private MountNamespace Prepare(string name, bool empty = false, long size = Size)
    {
        Assert.SkipWhen(_mounts is null, "This process may not mount a file system.");
        _mountPoint = Directory.CreateDirectory(Path.Combine(scene.Root, $"mount-{name}-{Path.GetRandomFileName()}")).FullName;
        ServerAccount.Own(_mountPoint);
        if (empty)
            _mounts.MountTmpfs(_mountPoint, size);
        else
            Mount(_mounts);
        return _mounts;
    }

    private void Mount(MountNamespace mounts)
    {
        mounts.MountTmpfs(_mountPoint, Size);
        mounts.MustRun("cp", "-a", scene.Archive + "/.", _mountPoint);
    }

    // The restore of a segment from the middle waits until the test has done what it wants to do.
    private string PausedInTheMiddle() =>
        $"if [ %f = {Segment(^3)} ] && [ ! -e {_mountPoint}.go ]; then touch {_mountPoint}.reached; until [ -e {_mountPoint}.go ]; do sleep 0.05; done; fi; {scene.RestoreCommand(_mountPoint)}"
            .Replace(scene.PlainCopies + "/", "", StringComparison.Ordinal);

    private async Task UnmountInTheMiddleAsync(MountNamespace mounts)
    {
        await Eventually.TrueAsync(() => File.Exists(_mountPoint + ".reached"), "the server asks for the segment", TimeSpan.FromSeconds(120), Token);
        mounts.Unmount(_mountPoint);
        await File.WriteAllTextAsync(_mountPoint + ".go", "", Token);
    }

    private Task<PgCluster> StartAsync(string data, MountNamespace mounts, string? restoreCommand = null) => PgCluster.StartAsync(
        new PgClusterOptions
        {
            ExistingDataDirectory = data,
            Settings = RecoveryScene.Settings(restoreCommand ?? scene.RestoreCommand(_mountPoint), ("wal_retrieve_retry_interval", "200ms")),
            Mounts = mounts,
        },
        Token);

    private async Task<ProgramResult> RunServerAsync(string data, string restoreCommand, MountNamespace mounts)
    {
        var settings = RecoveryScene.Settings(
            restoreCommand, ("listen_addresses", ""), ("unix_socket_directories", scene.Root), ("port", "1"),
            ("max_prepared_transactions", "10"), ("max_wal_senders", "10"), ("wal_level", "logical"));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Token);
        limit.CancelAfter(TimeSpan.FromSeconds(120));
        return await ServerProgram.RunAsync(
            mounts, Path.Combine(scene.Primary.BinDirectory, "postgres"), ["-D", data, .. settings.SelectMany(s => (string[])["-c", $"{s.Key}={s.Value}"])], limit.Token);
    }

    private Task<ProgramResult> RunAsync(MountNamespace mounts, IEnumerable<string> words) =>
        ServerProgram.RunAsync(mounts, "/bin/sh", ["-c", scene.Program.Line(words)], Token);

    private string Segment(Index index) =>
        Directory.GetFiles(scene.PlainCopies).Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).ToArray()[index];
}
