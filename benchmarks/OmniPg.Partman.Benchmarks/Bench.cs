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

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count == 0 ? double.NaN : (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    /// <summary>A row of a report.</summary>
    public static void Row(params string[] cells) => Console.WriteLine($"| {string.Join(" | ", cells)} |");

    public static string Text(IReadOnlyCollection<double> seconds) => seconds.Count == 0 ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{Median(seconds):0.000} s ({string.Join(", ", seconds.Select(s => s.ToString("0.000", CultureInfo.InvariantCulture)))})");

    public static string Ratio(double part, double whole) => double.IsNaN(part / whole) ? "–" : (part / whole).ToString("0.00", CultureInfo.InvariantCulture);
}
