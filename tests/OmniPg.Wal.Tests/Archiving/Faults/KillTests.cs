using System.Collections.Concurrent;
using System.Diagnostics;
using OmniPg.Wal.Tests.Segments;

namespace OmniPg.Wal.Tests.Archiving;

public sealed class KillTests(WalWorkloads workloads) : ArchiveTests(workloads)
{
    private const int Kills = 200;
    private const int SideBySide = 3;
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "omnipg-wal");

    [Fact]
    public async Task After_two_hundred_kills_nothing_acknowledged_is_missing_or_torn()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists(Program), "The program is not beside the tests.");
        foreach (var segment in Scene.Segments)
            Scene.Add(segment);
        string[] archives = [Scene.MakeDirectory("zstd"), Scene.MakeDirectory("none")];
        Scene.MakeDirectory("state");
        var acknowledged = new ConcurrentBag<WalFileName>();
        // How long an undisturbed run takes here and now, so that the kills fall before, into and behind its work: measured anew with every run that ends
        // by itself, and taken for a little longer with every kill: three side by side take longer than the first did alone, and where all were killed none
        // would ever be measured again.
        var usual = (await MeasureAsync()).Ticks;
        var kills = 0;

        await Parallel.ForEachAsync(Enumerable.Range(0, SideBySide), Token, async (worker, token) =>
        {
            var random = new Random(worker);
            for (var i = worker; Volatile.Read(ref kills) < Kills; i += SideBySide)
            {
                var segment = Scene.Segments[i % Scene.Segments.Count];
                var started = Stopwatch.GetTimestamp();
                using var process = Start(segment);
                var limit = Task.Delay(new TimeSpan(Volatile.Read(ref usual)) * (0.3 + random.NextDouble()), token);
                if (await Task.WhenAny(process.WaitForExitAsync(token), limit) == limit)
                {
                    process.Kill();
                    Interlocked.Increment(ref kills);
                    Interlocked.Add(ref usual, Volatile.Read(ref usual) / 20);
                }
                else
                {
                    Volatile.Write(ref usual, Stopwatch.GetElapsedTime(started).Ticks);
                }

                await process.WaitForExitAsync(token);
                if (process.ExitCode == 0)
                    acknowledged.Add(segment);
            }
        });

        foreach (var segment in acknowledged.Distinct())
            archives.Should().OnlyContain(a => ArchiveScene.FilesIn(a).Count(f => f.StartsWith(segment.ToString(), StringComparison.Ordinal)) == 1);
        foreach (var file in archives.SelectMany(a => ArchiveScene.FilesIn(a).Where(f => f[0] != '.').Select(f => Path.Combine(a, f))))
            ArchiveScene.Decode(file).AsSpan().SequenceEqual(Scene.Original(NameOf(file))).Should().BeTrue("'{0}' is visible", file);
        await using var archiver = Scene.Archiver().WithState(Path.Combine(Scene.Root, "state")).To(d => d.Directory($"zstd={archives[0]}")).To(d => d.Directory(archives[1])).Build();
        foreach (var segment in Scene.Segments)
            (await archiver.ArchiveAsync(ArchiveScene.PathOf(segment), Token)).IsArchived.Should().BeTrue();
        acknowledged.Should().NotBeEmpty();
    }

    private static WalFileName NameOf(string path) =>
        WalFileName.Parse(Path.GetFileName(path.AsSpan())[..^(Codec.ForExtension(path) ?? Codec.None).Extension.Length]);

    private async Task<TimeSpan> MeasureAsync()
    {
        var started = Stopwatch.GetTimestamp();
        using var process = Start(Scene.Segments[0]);
        await process.WaitForExitAsync(Token);
        process.ExitCode.Should().Be(0);
        return Stopwatch.GetElapsedTime(started);
    }

    private Process Start(WalFileName segment) => Process.Start(new ProcessStartInfo(Program)
    {
        ArgumentList =
        {
            "archive", "--data-dir", Scene.DataDirectory, "--state-dir", Path.Combine(Scene.Root, "state"),
            "--dst-local", $"zstd={Scene.Root}/zstd", "--dst-local", $"{Scene.Root}/none", ArchiveScene.PathOf(segment),
        },
        RedirectStandardError = true,
        RedirectStandardOutput = true,
    })!;
}
