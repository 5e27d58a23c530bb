using System.Text.RegularExpressions;
using OmniPg.Testing;

/// <summary>What both servers did for long, in the order of its end: where the time of a benchmark goes. Only with <c>--statements</c>, for it takes some itself.</summary>
internal static partial class StatementLog
{
    private const string Option = "--statements";

    /// <summary>Options of a server that tells its statements of 10 ms and more.</summary>
    public static PgClusterOptions For(string[] args) => new()
    {
        Settings = args.Contains(Option) ? new Dictionary<string, string> { ["log_min_duration_statement"] = "10", ["log_line_prefix"] = "%m " } : [],
    };

    /// <summary>Prints those that ended since a moment.</summary>
    public static void Print(string[] args, DateTimeOffset since, params ReadOnlySpan<PgCluster> servers)
    {
        if (!args.Contains(Option))
            return;
        var lines = new List<string>();
        foreach (var server in servers)
            lines.AddRange(Duration().Matches(server.ReadLog()).Select(m => $"{m.Groups[1].Value} {server.Port} {m.Groups[2].Value[..Math.Min(m.Groups[2].Length, 200)]}"));
        foreach (var line in lines.Where(l => string.CompareOrdinal(l, since.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff", System.Globalization.CultureInfo.InvariantCulture)) > 0).Order(StringComparer.Ordinal))
            Console.WriteLine(line);
    }

    [GeneratedRegex(@"^(\S+ \S+) UTC LOG:  duration: (.*)", RegexOptions.Multiline)]
    private static partial Regex Duration();
}
