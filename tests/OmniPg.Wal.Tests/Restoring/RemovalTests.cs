using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Restoring;

public sealed class RemovalTests(WalWorkloads workloads) : IDisposable
{
    private readonly RestoreFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Removal_before_serving_takes_the_oldest_files_up_to_the_limit()
    {
        var segments = await FillAsync(6);
        var options = _fixture.Options();
        options.Removal = WalRemoval.ByRestartPoint(segments[5]);
        options.RemoveBefore = true;

        await _fixture.RestoreAsync(segments[5], options);

        Left().Should().Equal(segments[3..].Select(s => s.ToString()));
        _fixture.Logs.Lines.Select(l => l.Message).Should().Contain($"Segment {segments[0]} ({segments[0]}) removed, as it is too old (older than {segments[5]})");
    }

    [Fact]
    public async Task Pause_trigger_stops_every_removal()
    {
        var segments = await FillAsync(3);
        var options = _fixture.Options();
        options.Removal = WalRemoval.ByRestartPoint(segments[2]);
        options.RemoveBefore = true;
        options.Cleanup.PauseTrigger = _fixture.Combine("pause");
        await File.WriteAllTextAsync(options.Cleanup.PauseTrigger, "", TestContext.Current.CancellationToken);

        await _fixture.RestoreAsync(segments[2], options);

        Left().Should().HaveCount(3);
    }

    [Fact]
    public async Task Hook_sees_the_unpacked_segment_and_its_failure_keeps_it_and_the_rest()
    {
        var segments = await FillAsync(4, Codec.Zstd);
        var seen = _fixture.Combine("seen");
        var options = _fixture.Options();
        options.Removal = WalRemoval.ByRestartPoint(segments[3]);
        options.RemoveBefore = true;
        options.Cleanup.Hook = new CommandRemovalHook(
            "bash", "-c", $"sha256sum {{path}} >> {seen}; [ \"$(wc -l < {seen})\" -lt 2 ]");

        var outcome = await _fixture.RestoreAsync(segments[3], options);

        outcome.Status.Should().Be(WalRestoreStatus.Restored);
        Left().Should().Equal(segments[1..].Select(s => s + ".zst"));
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData((await workloads.SmallSegmentsAsync()).Read(segments[0])));
        File.ReadLines(seen).First().Should().Be($"{hash}  pg_wal/{segments[0]}");
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2205);
    }

    [Fact]
    public async Task Unreadable_control_file_skips_the_removal_and_serves_the_segment()
    {
        var segments = await FillAsync(3);
        var options = _fixture.Options();
        options.Removal = WalRemoval.ByControlFile;
        options.RemoveBefore = true;

        var outcome = await _fixture.RestoreAsync(segments[2], options);

        outcome.Status.Should().Be(WalRestoreStatus.Restored);
        Left().Should().HaveCount(3);
        _fixture.Logs.Lines.Should().Contain(l => l.Id.Id == 2205 && l.Message.Contains("pg_control", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Unreadable_control_file_fails_the_restore_when_that_is_wanted()
    {
        var segments = await FillAsync(3);
        var options = _fixture.Options();
        options.Removal = WalRemoval.ByControlFile;
        options.RemoveBefore = true;
        options.ControlFileErrors = ControlFileErrorPolicy.Fail;

        var act = () => _fixture.RestoreAsync(segments[2], options);

        await act.Should().ThrowAsync<WalControlFileException>();
    }

    [Fact]
    public async Task A_backup_label_keeps_the_segments_that_the_recovery_begins_with()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segments = await FillAsync(6);
        using var scene = new ArchiveScene(workload);
        scene.WriteControlFile(workload.SystemIdentifier, (ulong)segments[4].StartLsn(workload.SegmentSize) + 40);
        var label = $"START WAL LOCATION: {segments[2].StartLsn(workload.SegmentSize)} (file {segments[2]})\n";
        await File.WriteAllTextAsync(Path.Combine(scene.DataDirectory, "backup_label"), label, TestContext.Current.CancellationToken);
        var options = _fixture.Options();
        options.DataDirectory = scene.DataDirectory;
        (options.Removal, options.RemoveBefore, options.Cleanup) = (WalRemoval.ByControlFile, true, new CleanupOptions());

        await _fixture.Restorer(options).RestoreAsync(segments[2].ToString(), "pg_wal/RECOVERYXLOG", TestContext.Current.CancellationToken);
        var withLabel = Left().ToList();
        File.Delete(Path.Combine(scene.DataDirectory, "backup_label"));
        await _fixture.Restorer(options).RestoreAsync(segments[4].ToString(), "pg_wal/RECOVERYXLOG", TestContext.Current.CancellationToken);

        withLabel.Should().Equal(segments[2..].Select(s => s.ToString()));
        Left().Should().Equal(segments[4..].Select(s => s.ToString()));
    }

    private IEnumerable<string> Left() => Directory.EnumerateFiles(_fixture.First).Select(f => Path.GetFileName(f)!).Where(f => f != WalArchiveMarker.Key).Order(StringComparer.Ordinal);

    private async Task<WalFileName[]> FillAsync(int count, Codec? codec = null)
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segments = workload.Segments.Take(count).ToArray();
        foreach (var segment in segments)
            RestoreFixture.Put(_fixture.First, segment, workload.Read(segment), codec ?? Codec.None);
        return segments;
    }
}
