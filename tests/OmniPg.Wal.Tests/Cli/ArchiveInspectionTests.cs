using System.Globalization;
using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Restoring;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Cli;

/// <summary>dump, verify, show, bench and cleanup over the segments of a real server.</summary>
public sealed class ArchiveInspectionTests(WalWorkloads workloads) : IDisposable
{
    private readonly RestoreFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task Dump_prints_the_same_records_as_pg_waldump_for_more_than_30_segments()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segments = workload.Segments.Take(35).ToArray();
        var waldump = Path.Combine(workload.BinDirectory, "pg_waldump");
        Assert.SkipUnless(File.Exists(waldump), "pg_waldump is not installed.");

        var ours = await WalProgram.RunAsync(["dump", .. segments.Select(workload.PathOf)]);
        var theirs = await ServerProgram.RunAsync(
            waldump, ["-p", workload.ArchiveDirectory, segments[0].ToString(), segments[^1].ToString()], cancellationToken: TestContext.Current.CancellationToken);

        ours.MustSucceed();
        var actual = Lines(ours.Output).Select(OurFields).ToArray();
        // A record that ends behind the last segment was given to pg_waldump only.
        var expected = Lines(theirs.Output).Select(TheirFields).Take(actual.Length).ToArray();
        actual.Length.Should().BeGreaterThan(10_000);
        expected.Length.Should().Be(actual.Length);
        actual.Zip(expected).Where(static both => both.First != both.Second).Take(3).Should().BeEmpty();
    }

    [Fact]
    public async Task Dump_reads_compressed_segments_and_prints_json()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var path = RestoreFixture.Put(_fixture.First, workload.Segments[3], workload.Read(workload.Segments[3]), Codec.Gzip);

        var text = (await WalProgram.RunAsync("dump", path)).MustSucceed();
        var json = (await WalProgram.RunAsync("dump", "--json", path)).MustSucceed();

        var objects = Lines(json.Output).Select(l => JsonDocument.Parse(l).RootElement).ToArray();
        objects.Select(o => o.GetProperty("lsn").GetString()).Should().Equal(Lines(text.Output).Select(l => l.Split(' ')[0]));
        text.Error.Should().Contain($"{objects.Length} records");
    }

    [Fact]
    public async Task Verify_is_0_for_a_good_archive_1_for_a_gap_and_23_for_damage()
    {
        var workload = await FillAsync();
        var good = await WalProgram.RunAsync("verify", "--archive", _fixture.First);
        File.Delete(PathOf(workload.Segments[4]));
        var gap = await WalProgram.RunAsync("verify", "--archive", _fixture.First);
        var content = workload.Read(workload.Segments[7]);
        content[await RecordBytes.InBodyAsync(content, 70_000)] ^= 1;
        RestoreFixture.Put(_fixture.First, workload.Segments[7], content, Codec.Zstd);
        var damage = await WalProgram.RunAsync("verify", "--archive", _fixture.First, "--json");

        good.ExitCode.Should().Be(0, good.Output);
        gap.ExitCode.Should().Be(1);
        gap.Output.Should().Contain($"MISSING {workload.Segments[4]} to {workload.Segments[4]} (1 segments of timeline 1)");
        damage.ExitCode.Should().Be(23);
        var json = JsonDocument.Parse(damage.Output).RootElement;
        json.GetProperty("invalid").EnumerateArray().Single().GetProperty("file").GetString().Should().Be($"{workload.Segments[7]}.zst");
    }

    [Fact]
    public async Task Verify_names_both_segments_when_the_damage_may_lie_in_either()
    {
        var workload = await FillAsync();
        var index = Enumerable.Range(0, workload.Segments.Count - 1).First(i => workload.StateBefore(i + 1) is { ContinuesInNextBytes: > 0, Split.IsHeaderComplete: true });
        var (damaged, after) = (workload.Segments[index], workload.Segments[index + 1]);
        RestoreFixture.Put(_fixture.First, damaged, workload.Read(damaged).With(b => b[^1] ^= 1), Codec.Zstd);

        var text = await WalProgram.RunAsync("verify", "--archive", _fixture.First);
        var json = await WalProgram.RunAsync("verify", "--archive", _fixture.First, "--json");

        text.ExitCode.Should().Be(23);
        text.Output.Should().Contain($"INVALID {after}.zst: ").And.Contain($"the record begins in '{damaged}', and either segment may be damaged");
        JsonDocument.Parse(json.Output).RootElement.GetProperty("invalid").EnumerateArray().First().GetProperty("beginsIn").GetString().Should().Be(damaged.ToString());
    }

    [Fact]
    public async Task Show_tells_timelines_gaps_window_and_restore_points()
    {
        var workload = await FillAsync();
        File.Delete(PathOf(workload.Segments[4]));

        var result = (await WalProgram.RunAsync("show", "--archive", _fixture.First, "--json")).MustSucceed();

        var json = JsonDocument.Parse(result.Output).RootElement;
        json.GetProperty("timelines").EnumerateArray().Single().GetProperty("first").GetString().Should().Be(workload.Segments[0].ToString());
        json.GetProperty("gaps").EnumerateArray().Single().ToString().Should().Contain(workload.Segments[4].ToString());
        var window = json.GetProperty("window");
        window.GetProperty("timeline").GetUInt32().Should().Be(1);
        window.GetProperty("latestCommit").GetDateTimeOffset().Should().BeOnOrAfter(workload.Commits[^1].Time);
        window.GetProperty("earliest").GetDateTimeOffset().Should().BeBefore(window.GetProperty("latestCommit").GetDateTimeOffset());
        json.GetProperty("recoverable").EnumerateArray().Should().BeEmpty("an archive of WAL alone restores nothing");
        json.GetProperty("restorePoints").EnumerateArray().Select(p => p.GetProperty("name").GetString()).Should().Equal(workload.RestorePoints.Select(p => p.Name));
    }

    [Fact]
    public async Task Bench_prints_one_line_per_codec()
    {
        var workload = await workloads.SmallSegmentsAsync();

        var result = (await WalProgram.RunAsync("bench", "--segments", workload.ArchiveDirectory, "--count", "3", "--codec", "zstd:1", "--codec", "zstd", "--codec", "none", "--json")).MustSucceed();

        var codecs = JsonDocument.Parse(result.Output).RootElement.GetProperty("codecs").EnumerateArray().ToArray();
        codecs.Select(c => c.GetProperty("codec").GetString()).Should().Equal("zstd:1", "zstd:wal", "none");
        codecs[2].GetProperty("ratio").GetDouble().Should().Be(1);
        codecs[0].GetProperty("rawBytes").GetInt64().Should().Be(3 << 20);
    }

    [Fact]
    public async Task Cleanup_removes_what_lies_below_and_never_a_history()
    {
        var workload = await FillAsync();
        RestoreFixture.Put(_fixture.First, WalFileName.ForHistory(1), "1\t0/1\tx\n"u8.ToArray(), Codec.Zstd);

        var result = await WalProgram.RunAsync("cleanup", "-a", "zstd=" + _fixture.First, "-v", workload.Segments[6] + ".00000028.backup");

        result.ExitCode.Should().Be(0, result.Error);
        result.Error.Should().Contain("6 files removed.");
        Directory.GetFiles(_fixture.First).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal).First().Should().Be("00000001.history.zst");
        File.Exists(PathOf(workload.Segments[5])).Should().BeFalse();
        File.Exists(PathOf(workload.Segments[6])).Should().BeTrue();
    }

    private async Task<WalWorkload> FillAsync()
    {
        var workload = await workloads.SmallSegmentsAsync();
        foreach (var segment in workload.Segments)
            RestoreFixture.Put(_fixture.First, segment, workload.Read(segment), Codec.Zstd);
        return workload;
    }

    private string PathOf(WalFileName name) => Path.Combine(_fixture.First, name + ".zst");

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string OurFields(string line)
    {
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', fields[0], fields[1], fields[2], fields[3], fields[5]);
    }

    // rmgr: Heap        len (rec/tot):     54/   226, tx:        735, lsn: 0/0154F6F0, prev 0/0154F6B8, desc: INSERT off 8 …
    private static string TheirFields(string line)
    {
        var rmgr = line[6..line.IndexOf(' ', 6)];
        return string.Join(' ', Lsn(Between(line, "lsn: ", ",")), Lsn(Between(line, "prev ", ",")), Between(line, "tx: ", ","), rmgr, Between(Between(line, "(rec/tot):", "tx:"), "/", ","));
    }

    private static string Between(string line, string before, string after)
    {
        var start = line.IndexOf(before, StringComparison.Ordinal) + before.Length;
        return line[start..line.IndexOf(after, start, StringComparison.Ordinal)].Trim();
    }

    private static string Lsn(string text)
    {
        var parts = text.Split('/');
        return $"{ulong.Parse(parts[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture):X}/{ulong.Parse(parts[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture):X}";
    }
}
