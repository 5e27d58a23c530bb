using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>What a piece of work cost: time, processor time of everything that was started for it, the most memory of its program, and a size that it tells of.</summary>
internal sealed record Cost(double Seconds, double ProcessorSeconds, double PeakMiB, double StoredMiB = 0)
{
    /// <summary>Runs a program to its end.</summary>
    /// <returns>The cost, and what it wrote to its standard output.</returns>
    public static async Task<(Cost Cost, string Output)> OfAsync(string program, params IEnumerable<string> arguments)
    {
        var before = ProcessorTime.OfAllThatEnded();
        var started = Stopwatch.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var ended = process.WaitForExitAsync();
        var peak = 0.0;
        // It only grows, so the last look before the end is its peak, but for what came within these milliseconds.
        while (await Task.WhenAny(ended, Task.Delay(10)) != ended)
            peak = Math.Max(peak, PeakMiBOf(process.Id));
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        return process.ExitCode == 0
            ? (new Cost(seconds, ProcessorTime.OfAllThatEnded() - before, peak), await output)
            : throw new InvalidOperationException($"'{Path.GetFileName(program)} {string.Join(' ', arguments)}' ended with {process.ExitCode}: {await output}");
    }

    /// <summary>VmHWM of a process; 0 when it is gone.</summary>
    public static double PeakMiBOf(int process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(static l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return line is null ? 0 : double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>The median of each, on its own.</summary>
    public static Cost MedianOf(IReadOnlyCollection<Cost> rounds) =>
        new(Median(rounds, static r => r.Seconds), Median(rounds, static r => r.ProcessorSeconds), rounds.Max(static r => r.PeakMiB), Median(rounds, static r => r.StoredMiB));

    /// <summary>What figures are worth nothing without: the machine, the system, the server and the other program.</summary>
    public static async Task<string> MachineAsync(PgCluster server)
    {
        var processor = File.ReadLines("/proc/cpuinfo").FirstOrDefault(static l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1];
        var system = File.ReadLines("/etc/os-release").First(static l => l.StartsWith("PRETTY_NAME=", StringComparison.Ordinal)).Split('"')[1];
        var version = await server.ScalarAsync<string>("SHOW server_version");
        var other = File.Exists(PgBackRest.Program) ? $", {(await OfAsync(PgBackRest.Program, "version")).Output.Trim()}" : "";
        return $"{DateTime.UtcNow:yyyy-MM-dd}, {Environment.ProcessorCount} × {processor}, {system}, Linux {Environment.OSVersion.Version.ToString(2)}, {RuntimeInformation.FrameworkDescription}, PostgreSQL {version}{other}, "
            + $"load at the start {File.ReadAllText("/proc/loadavg").Split(' ')[0]}";
    }

    private static double Median(IReadOnlyCollection<Cost> rounds, Func<Cost, double> figure) => rounds.Select(figure).Order().ElementAt(rounds.Count / 2);
}

/// <summary>Options of a command line: <c>--name value</c>.</summary>
internal static class Words
{
    public static double Number(string[] words, string option, double otherwise) => Text(words, option) is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    public static string? Text(string[] words, string option) => Array.IndexOf(words, option) is >= 0 and var at ? words[at + 1] : null;
}
