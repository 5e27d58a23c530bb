using System.Runtime.InteropServices;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Which parameters of zstd suit WAL of every kind? Each cluster is one kind (<c>wal-kinds.sh</c>); sizes and times beside those of level 3.</summary>
internal sealed partial class PresetRun(string[] dataDirectories)
{
    private const int Segments = 6;
    private const int Rounds = 5;
    private const int ThreadCpuTime = 3;

    private static readonly (string Name, (int Parameter, int Value)[] Parameters)[] Sets =
    [
        ("level 3", [(100, 3)]),
        ("level 1", [(100, 1)]),
        ("fast h15 m5", Fast(15, 5)),
        ("fast h16 m5", Fast(16, 5)),
        ("fast h17 m5", Fast(17, 5)),
        ("fast h16 m6", Fast(16, 6)),
        ("dfast h15 c14 m5", DoubleFast(15, 14, 5)),
        ("dfast h15 c15 m5", DoubleFast(15, 15, 5)),
        ("dfast h16 c14 m5", DoubleFast(16, 14, 5)),
        ("dfast h16 c15 m5", DoubleFast(16, 15, 5)),
        ("dfast h17 c14 m5", DoubleFast(17, 14, 5)),
        ("dfast h16 c15 m6", DoubleFast(16, 15, 6)),
    ];

    public void Run()
    {
        Console.WriteLine("Size in KiB of 16 MiB, and processor time in ms, per segment; in brackets the ratio to level 3.\n");
        Console.WriteLine($"| kind | {string.Join(" | ", Sets.Select(s => s.Name))} |\n|{string.Concat(Enumerable.Repeat("---|", Sets.Length + 1))}");
        foreach (var directory in dataDirectories)
        {
            var segments = new SegmentSet(directory);
            var contents = segments.Sample(Segments).Distinct().Select(s => File.ReadAllBytes(segments.PathOf(s))).ToArray();
            var results = Measure(contents);
            var cells = results.Select(r => FormattableString.Invariant(
                $"{r.KiB:0} ({r.KiB / results[0].KiB:0.000}), {r.Milliseconds:0.0} ({r.Milliseconds / results[0].Milliseconds:0.00})"));
            Console.WriteLine($"| {Path.GetFileName(segments.DataDirectory)} | {string.Join(" | ", cells)} |");
        }
    }

    private static (double KiB, double Milliseconds)[] Measure(byte[][] contents)
    {
        var sizes = new long[Sets.Length];
        var times = Sets.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round <= Rounds; round++)
            for (var set = 0; set < Sets.Length; set++)
            {
                sizes[set] = 0;
                var started = ThreadMilliseconds();
                foreach (var content in contents)
                    sizes[set] += ZstdInMemory.Compress(content, [.. Sets[set].Parameters, (201, 1)]).Length;
                if (round > 0)
                    times[set].Add((ThreadMilliseconds() - started) / contents.Length);
            }

        return [.. sizes.Zip(times, (size, all) => (size / 1024.0 / contents.Length, all.Order().ElementAt(Rounds / 2)))];
    }

    // ZSTD_cParameter and ZSTD_strategy of zstd.h.
    private static (int, int)[] Fast(int hashLog, int minMatch) => [(100, 1), (101, 21), (102, hashLog), (105, minMatch), (107, 1)];

    private static (int, int)[] DoubleFast(int hashLog, int chainLog, int minMatch) => [(100, 3), (101, 21), (102, hashLog), (103, chainLog), (105, minMatch), (107, 2)];

    private static double ThreadMilliseconds() =>
        GetTime(ThreadCpuTime, out var time) == 0 ? (time.Seconds * 1e3) + (time.Nanoseconds / 1e6) : throw new NotSupportedException("No processor time of a thread here.");

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
