using System.Diagnostics;
using System.Globalization;
using OmniPg.Testing;

/// <summary>What a piece of work took: time, and processor time of this process, of programs that it started and has waited for, and of the servers. The second tells the same on a busy machine.</summary>
internal readonly record struct Cost(double Seconds, double Processor)
{
    private const double TicksPerSecond = 100;

    /// <summary>Does it and measures it.</summary>
    public static async Task<Cost> OfAsync(IReadOnlyList<PgCluster> servers, Func<Task> work)
    {
        var (before, clock) = (Processors(servers), Stopwatch.StartNew());
        await work();
        return new Cost(clock.Elapsed.TotalSeconds, Processors(servers) - before);
    }

    /// <summary>The median of each.</summary>
    public static Cost Median(IReadOnlyList<Cost> costs) => new(costs.Select(c => c.Seconds).Order().ElementAt(costs.Count / 2), costs.Select(c => c.Processor).Order().ElementAt(costs.Count / 2));

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seconds:0.00} s ({Processor:0.00} s processor)");

    // src/backend/postmaster: each session is a child of the first process, which waits for it. proc(5): the name is in parentheses, then come the fields from the third on.
    private static double Processors(IReadOnlyList<PgCluster> servers)
    {
        var ids = servers.Select(s => s.ProcessId).ToHashSet();
        var sum = Ticks(Stat(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)), withChildren: true);
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out var id) || Stat(Path.GetFileName(directory)) is not { } stat)
                continue;
            if (ids.Contains(id) || ids.Contains(int.Parse(stat[1], CultureInfo.InvariantCulture)))
                sum += Ticks(stat, withChildren: ids.Contains(id));
        }
        return sum / TicksPerSecond;
    }

    private static double Ticks(string[]? stat, bool withChildren) => stat is null ? 0 : stat[11..(withChildren ? 15 : 13)].Sum(t => double.Parse(t, CultureInfo.InvariantCulture));

    private static string[]? Stat(string id)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{id}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            // It has ended meanwhile, and its time is its parent's.
            return null;
        }
    }
}
