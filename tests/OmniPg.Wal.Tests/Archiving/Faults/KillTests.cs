using System.Diagnostics;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>The program killed at its work. Hundreds of kills are a command of the benchmarks (<c>kills</c>).</summary>
public sealed class KillTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "omnipg-wal");

    [Theory]
    [InlineData("pread64", 2, true)]    // between two pieces of the segment
    [InlineData("pwrite64", 1)]         // temporary files without content
    [InlineData("utimensat", 1)]        // all of it written
    [InlineData("fsync", 1)]            // before the content is on disk
    [InlineData("renameat2", 1)]        // before it has its name
    [InlineData("fsync", 2)]            // before the name is on disk
    [InlineData("rename", 1)]           // all published, before the state of the chain
    public async Task Killed_at_any_step_of_the_one_pass_it_leaves_nothing_torn_and_the_next_call_completes_it(string call, int when, bool ofSegment = false)
    {
        Assert.SkipUnless(File.Exists(Program), "The program is not beside the tests.");
        Assert.SkipUnless(FailingWrites.IsPossible, "strace is not installed, or may not trace here.");
        string[] archives = [Scene.MakeDirectory("one"), Scene.MakeDirectory("two"), Scene.MakeDirectory("three")];
        var setup = Scene.Archiver().WithState(Scene.MakeDirectory("state"));
        foreach (var archive in archives)
            setup.To(d => d.Directory($"zstd={archive}"));
        await using var archiver = setup.Build();
        // The archives are begun, so that the kill falls into the segment and not into a marker.
        await archiver.ArchiveAsync(Scene.Add(Scene.Segments[0]), Token);
        Scene.Add();
        string[] watched = ofSegment ? ["-P", Scene.Located(Scene.Segment)] : [];
        // Every call stops: with a filter of the kernel strace does not count up to the second one.
        string[] trace = ["-f", "-qq", "-o", "/dev/null", .. watched, "-e", $"trace={call}", "-e", $"inject={call}:signal=KILL:when={when}", Program];

        using var killed = Process.Start(StartInfo("strace", Scene.Segment, archives.Select(a => $"zstd={a}"), trace))!;
        await killed.WaitForExitAsync(Token);

        killed.ExitCode.Should().Be(128 + 9, await killed.StandardError.ReadToEndAsync(Token));
        var visible = archives.Where(a => ArchiveScene.FilesIn(a).Contains(Scene.Segment + ".zst")).ToArray();
        if (call is "pread64" or "pwrite64" or "utimensat")
            visible.Should().BeEmpty();
        if (call == "rename")
            visible.Should().Equal(archives);
        visible.Where(a => !IsWhole(Path.Combine(a, Scene.Segment + ".zst"), Scene.Segment)).Should().BeEmpty();
        (await archiver.ArchiveAsync(ArchiveScene.PathOf(Scene.Segment), Token)).Destinations.Select(d => d.Status)
            .Should().Equal(archives.Select(a => visible.Contains(a) ? WalDeliveryStatus.AlreadyPresent : WalDeliveryStatus.Stored));
        archives.Should().OnlyContain(a => IsWhole(Path.Combine(a, Scene.Segment + ".zst"), Scene.Segment));
    }

    [Theory]
    [InlineData("zstd", "zstd", "zstd")]
    [InlineData("zstd", "lz4", "none")]
    public async Task After_kills_at_any_moment_nothing_acknowledged_is_missing_or_torn(params string[] codecs)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists(Program), "The program is not beside the tests.");
        const int kills = 4;
        var archives = codecs.Select((c, i) => (Codec: Codec.Parse(c), Path: Scene.MakeDirectory($"{i}"))).ToArray();
        var destinations = archives.Select(a => $"{a.Codec.Name}={a.Path}").ToArray();
        Scene.MakeDirectory("state");
        foreach (var segment in Scene.Segments)
            Scene.Add(segment);
        var acknowledged = new HashSet<WalFileName>();
        var random = new Random(1);
        var killed = 0;

        // As the last run that was let be: the kills fall before, into and behind the work, whatever else the machine does.
        var usual = await RunAsync(Scene.Segments[0], null);
        for (var i = 1; killed < kills; i++)
        {
            i.Should().BeLessThan(200, "a run that lives until its kill comes by then");
            var (segment, before) = (Scene.Segments[i % Scene.Segments.Count], killed);
            var took = await RunAsync(segment, usual * (0.3 + random.NextDouble()));
            usual = killed == before ? took : usual;
        }

        foreach (var segment in acknowledged)
            archives.Should().OnlyContain(a => File.Exists(Path.Combine(a.Path, segment + a.Codec.Extension)), "'{0}' was acknowledged", segment);
        foreach (var (codec, path) in archives)
            foreach (var file in ArchiveScene.FilesIn(path).Where(f => f[0] != '.'))
                IsWhole(Path.Combine(path, file), WalFileName.Parse(file.AsSpan()[..^codec.Extension.Length])).Should().BeTrue("'{0}' is visible", file);

        async Task<TimeSpan> RunAsync(WalFileName segment, TimeSpan? limit)
        {
            var started = Stopwatch.GetTimestamp();
            using var process = Process.Start(StartInfo(Program, segment, destinations))!;
            var ended = process.WaitForExitAsync(Token);
            if (limit is { } moment && await Task.WhenAny(ended, Task.Delay(moment, Token)) != ended)
            {
                process.Kill();
                killed++;
            }

            await ended;
            if (process.ExitCode == 0)
                acknowledged.Add(segment);
            return Stopwatch.GetElapsedTime(started);
        }
    }

    private bool IsWhole(string path, WalFileName file) => ArchiveScene.Decode(path).AsSpan().SequenceEqual(Scene.Original(file));

    private ProcessStartInfo StartInfo(string program, WalFileName segment, IEnumerable<string> destinations, params string[] before) => new(
        program,
        [.. before, "archive", "--data-dir", Scene.DataDirectory, "--state-dir", Path.Combine(Scene.Root, "state"), .. destinations.SelectMany(d => (string[])["--dst-local", d]), ArchiveScene.PathOf(segment)])
    {
        RedirectStandardError = true,
        RedirectStandardOutput = true,
    };
}
