using System.Diagnostics;
using System.Globalization;
using OmniPg;
using OmniPg.Testing;

/// <summary>What all figures have in common: a database with pg_partman 5 where the server has it, times in turn, and the rows of a report.</summary>
internal static class Bench
{
    public static readonly QualifiedName Ours = QualifiedName.Parse("public.ours");

    /// <summary>A database of its own; with the extension in schema <c>partman</c> where the server offers version 5.</summary>
    public static async Task<(TestDatabase Database, string? Extension)> DatabaseAsync(PgCluster cluster)
    {
        var database = await cluster.CreateDatabaseAsync();
        var version = await database.ScalarAsync<string?>("SELECT default_version FROM pg_available_extensions WHERE name = 'pg_partman'");
        if (version?.StartsWith("5.", StringComparison.Ordinal) != true)
            return (database, null);
        await database.ExecuteAsync("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman");
        return (database, version);
    }

    public static async Task<double> SecondsAsync(Func<Task> work)
    {
        var started = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    /// <summary>Seconds on the clock, and on the processor: of the server's sessions, and of this process. The latter tell more where other work runs beside.</summary>
    public static async Task<Cost> CostAsync(PgCluster cluster, Func<Task> work)
    {
        var (server, own) = (ServerSeconds(cluster), Environment.CpuUsage.TotalTime.TotalSeconds);
        var wall = await SecondsAsync(work);
        own = Environment.CpuUsage.TotalTime.TotalSeconds - own;
        return new Cost(wall, ServerSeconds(cluster) - server, own);
    }

    // Nanoseconds on the processor are the first number (Documentation/scheduler/sched-stats.rst of Linux), the parent is the second one behind the name.
    private static double ServerSeconds(PgCluster cluster)
    {
        var nanoseconds = 0L;
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                var stat = File.ReadAllText(Path.Combine(process, "stat"));
                if (int.Parse(stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) == cluster.ProcessId)
                    nanoseconds += long.Parse(File.ReadAllText(Path.Combine(process, "schedstat")).Split(' ')[0], CultureInfo.InvariantCulture);
            }
            catch (IOException)
            {
                // It has ended meanwhile.
            }
        }
        return nanoseconds / 1e9;
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count == 0 ? double.NaN : (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    /// <summary>A row of a report.</summary>
    public static void Row(params string[] cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");

    public static string Text(IReadOnlyCollection<double> seconds) => seconds.Count == 0 ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{Median(seconds):0.000} s ({string.Join(", ", seconds.Select(s => s.ToString("0.000", CultureInfo.InvariantCulture)))})");

    public static string Text(IReadOnlyCollection<Cost> costs) => costs.Count == 0 ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{Text([.. costs.Select(c => c.Wall)])}; processor {Median(costs.Select(c => c.Processor)):0.0000} s, of the server {Median(costs.Select(c => c.Server)):0.0000}");

    /// <summary>How large the time of one thing is as a part of another's: by the clock, and by the processor.</summary>
    public static string Ratio(IReadOnlyCollection<Cost> part, IReadOnlyCollection<Cost> whole) =>
        $"{Ratio(Median(part.Select(c => c.Wall)), Median(whole.Select(c => c.Wall)))}; processor {Ratio(Median(part.Select(c => c.Processor)), Median(whole.Select(c => c.Processor)))}";

    public static string Ratio(double part, double whole) => double.IsNaN(part / whole) ? "–" : (part / whole).ToString("0.00", CultureInfo.InvariantCulture);
}

/// <summary>What a piece of work took, in seconds.</summary>
internal sealed record Cost(double Wall, double Server, double Client)
{
    public double Processor => Server + Client;
}
