using System.Diagnostics;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Times cases in turn, round by round, so that a change of the machine's mood hits all of them; prints medians and ratios to the first. Programs that a case starts are not in the processor time.</summary>
internal sealed class Measured(string title, int unitsPerCase)
{
    private readonly List<(string Name, Func<Task> Run, List<double> Seconds, List<double> Processor)> _cases = [];

    public void Add(string name, Func<Task> run) => _cases.Add((name, run, [], []));

    public async Task RunAsync(int rounds, Func<Task> betweenCases)
    {
        for (var round = -1; round < rounds; round++)
            foreach (var (_, run, seconds, processor) in _cases)
            {
                await betweenCases();
                var (started, used) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
                await run();
                if (round < 0)
                    continue;
                seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
                processor.Add((Environment.CpuUsage.TotalTime - used).TotalSeconds);
            }

        Console.WriteLine($"## {title} ({rounds} rounds, {unitsPerCase} segments each)\n\n| case | median ms/segment | best | worst | ratio | MB/s | own CPU ms/segment |\n|---|---|---|---|---|---|---|");
        var baseline = Median(_cases[0].Seconds);
        foreach (var (name, _, seconds, processor) in _cases)
        {
            var median = Median(seconds);
            Console.WriteLine(FormattableString.Invariant(
                $"| {name} | {PerUnit(median):0.0} | {PerUnit(seconds.Min()):0.0} | {PerUnit(seconds.Max()):0.0} | {median / baseline:0.00} | {unitsPerCase * 16.777 / median:0} | {PerUnit(Median(processor)):0.0} |"));
        }

        Console.WriteLine();
    }

    private double PerUnit(double seconds) => seconds * 1000 / unitsPerCase;

    private static double Median(List<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
    }
}
