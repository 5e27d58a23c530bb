using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Retention;

public sealed class CleanupTests : IDisposable
{
    private static readonly string[] Names =
    [
        "000000010000000000000009", "00000001000000000000000A.partial", "00000001000000000000000B.gz", "00000001000000000000000B.00000028.backup.gz",
        "00000001000000000000000C.zst", "00000002.history", "00000002000000000000000A.lz4", "00000002000000000000000C", "00000002000000000000000D",
        "0000000200000000/000000020000000000000008.zst", "omnipg-archive.json", "000000010000000000000001.tmp", "notes.txt",
    ];

    private readonly TemporaryDirectory _archive = new();

    public CleanupTests()
    {
        Directory.CreateDirectory(_archive.Combine("0000000200000000"));
        foreach (var name in Names)
            File.WriteAllText(_archive.Combine(name), "x");
    }

    public void Dispose() => _archive.Dispose();

    [Fact]
    public async Task Positions_decide_whatever_the_timeline_and_histories_always_stay()
    {
        var result = await CleanAsync("00000002000000000000000C");

        result.Removed.Select(f => f.Key).Should().Equal(
            "0000000200000000/000000020000000000000008.zst", "000000010000000000000009", "00000001000000000000000A.partial", "00000002000000000000000A.lz4",
            "00000001000000000000000B.00000028.backup.gz", "00000001000000000000000B.gz");
        Left().Should().BeEquivalentTo(Names.Except(result.Removed.Select(f => f.Key)));
    }

    [Fact]
    public async Task Backup_histories_stay_when_wanted()
    {
        var result = await CleanAsync("00000002000000000000000C", new CleanupOptions { IncludeBackupHistory = false });

        result.Removed.Should().HaveCount(5).And.NotContain(f => f.Name.Kind == WalFileKind.BackupHistory);
    }

    [Fact]
    public async Task Comparison_of_the_original_takes_every_segment_of_an_older_timeline()
    {
        var result = await CleanAsync("00000002000000000000000A", new CleanupOptions { OmniPitrCompatibleComparison = true });

        result.Removed.Select(f => f.Name.ToString()).Should().Contain("00000001000000000000000C").And.NotContain("00000002000000000000000A");
    }

    [Theory]
    [InlineData("00000001000000000000000B.00000028.backup", 4)]
    [InlineData("00000001000000000000000B.partial", 4)]
    [InlineData("00000002.history", 0)]
    [InlineData("000000000000000000000000", 0)]
    public async Task Limit_may_be_any_wal_file_name(string limit, int removed)
    {
        (await CleanAsync(limit)).Removed.Should().HaveCount(removed);
    }

    [Fact]
    public async Task Dry_run_removes_nothing_and_tells_the_same()
    {
        var dry = await CleanAsync("00000002000000000000000C", new CleanupOptions { DryRun = true });

        Left().Should().HaveCount(Names.Length);
        dry.Removed.Should().HaveCount(6);
        dry.RemovedBytes.Should().Be(6);
    }

    [Fact]
    public async Task Pause_trigger_stops_the_cleanup()
    {
        var trigger = _archive.Combine("pause");
        await File.WriteAllTextAsync(trigger, "", TestContext.Current.CancellationToken);

        var result = await CleanAsync("00000002000000000000000C", new CleanupOptions { PauseTrigger = trigger });

        result.Should().BeEquivalentTo(new { Paused = true, RemovedBytes = 0L });
        Left().Should().HaveCount(Names.Length + 1);
    }

    [Fact]
    public async Task Archives_below_the_archive_are_left_alone()
    {
        string[] foreign = [_archive.Combine("other-cluster", "000000010000000000000001"), _archive.Combine("0000000200000000", "000000010000000000000001")];
        Directory.CreateDirectory(_archive.Combine("other-cluster"));
        foreach (var path in foreign)
            await File.WriteAllTextAsync(path, "x", TestContext.Current.CancellationToken);

        var result = await CleanAsync("00000002000000000000000C");

        result.Removed.Should().HaveCount(6);
        foreign.Should().OnlyContain(f => File.Exists(f));
    }

    [Fact]
    public async Task A_pause_trigger_that_comes_during_a_cleanup_keeps_the_rest()
    {
        var options = new CleanupOptions { PauseTrigger = _archive.Combine("pause") };
        options.Hook = new PausingHook(options.PauseTrigger);

        var result = await CleanAsync("00000002000000000000000C", options);

        result.Paused.Should().BeTrue();
        result.Removed.Select(f => f.Key).Should().Equal("0000000200000000/000000020000000000000008.zst");
        Left().Should().HaveCount(Names.Length);
    }

    private sealed class PausingHook(string trigger) : IWalRemovalHook
    {
        public Task OnRemovingAsync(WalArchivedFile file, Stream content, CancellationToken cancellationToken) =>
            File.WriteAllTextAsync(trigger, "", cancellationToken);
    }

    private async Task<CleanupResult> CleanAsync(string limit, CleanupOptions? options = null) =>
        await new WalRepository(new DirectoryObjectStore(_archive.Path)).CleanupAsync(WalFileName.Parse(limit), options, TestContext.Current.CancellationToken);

    private IEnumerable<string> Left() => Directory.EnumerateFiles(_archive.Path, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(_archive.Path, f));
}
