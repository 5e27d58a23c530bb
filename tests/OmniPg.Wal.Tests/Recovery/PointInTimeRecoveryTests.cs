namespace OmniPg.Wal.Tests.Recovery;

[Collection(nameof(RecoveryCollection))]
public sealed class PointInTimeRecoveryTests(RecoveryScene scene)
{
    [Fact]
    public async Task Every_segment_is_archived_with_equal_content_and_no_failure()
    {
        var token = TestContext.Current.CancellationToken;

        var failures = await scene.Primary.ScalarAsync<long>("SELECT failed_count FROM pg_stat_archiver", token);

        failures.Should().Be(0, scene.Primary.ReadLog());
        var copies = Directory.GetFiles(scene.PlainCopies);
        copies.Length.Should().BeGreaterThan(10);
        foreach (var copy in copies)
        {
            await using var archived = Codec.Zstd.Decompress(File.OpenRead(Path.Combine(scene.Archive, Path.GetFileName(copy) + ".zst")));
            using var content = new MemoryStream();
            await archived.CopyToAsync(content, token);
            var original = await File.ReadAllBytesAsync(copy, token);
            content.ToArray().SequenceEqual(original).Should().BeTrue(copy);
        }
    }

    [Theory]
    [InlineData("recovery_target_name", 100)]
    [InlineData("recovery_target_lsn", 100)]
    [InlineData("recovery_target_time", 100)]
    [InlineData("recovery_target_xid", 100)]
    [InlineData("recovery_target", 0)]
    [InlineData("recovery_target_timeline", 200)]
    public async Task Recovery_stops_exactly_at_its_target(string setting, int rows)
    {
        var value = setting switch
        {
            "recovery_target_name" => RecoveryScene.PointName,
            "recovery_target_lsn" => scene.Lsn,
            "recovery_target_time" => scene.Time,
            "recovery_target_xid" => scene.Xid,
            "recovery_target" => "immediate",
            _ => "latest",
        };

        await using var recovered = await scene.RecoverAsync(scene.RestoreCommand(), (setting, value));

        var found = await recovered.ScalarAsync<string>(
            "SELECT count(*) || ' ' || coalesce(max(id), 0) FROM kept", TestContext.Current.CancellationToken);
        found.Should().Be($"{rows} {rows}");
    }

    [Fact]
    public async Task Recovery_before_a_transaction_leaves_it_out()
    {
        await using var recovered = await scene.RecoverAsync(
            scene.RestoreCommand(), ("recovery_target_xid", scene.Xid), ("recovery_target_inclusive", "off"));

        (await recovered.ScalarAsync<long>("SELECT count(*) FROM kept", TestContext.Current.CancellationToken)).Should().Be(0);
    }

    [Fact]
    public async Task Recovery_with_prefetch_restores_the_same_rows_from_the_spool()
    {
        var spool = Directory.CreateDirectory(Path.Combine(scene.Root, "spool")).FullName;
        Testing.ServerAccount.Own(spool);
        var log = Path.Combine(scene.Root, "restore-^Y.log");
        var command = scene.Program.Line(
            "restore", "--source", scene.Archive, "--spool", spool, "--process-max", "2", "--queue-max", "8MB", "--log", log, "--verbose", "%f", "%p");

        await using var recovered = await scene.RecoverAsync(command);

        (await recovered.ScalarAsync<long>("SELECT count(*) FROM kept", TestContext.Current.CancellationToken)).Should().Be(200);
        var lines = await File.ReadAllLinesAsync(Directory.GetFiles(scene.Root, "restore-*.log").Single(), TestContext.Current.CancellationToken);
        lines.Should().Contain(l => l.EndsWith("restored", StringComparison.Ordinal) && l.Contains(" : omnipitr-restore : LOG : Segment ", StringComparison.Ordinal));
        lines.Count(l => l.Contains("Prefetched ", StringComparison.Ordinal)).Should().BeGreaterThan(3);
    }
}
