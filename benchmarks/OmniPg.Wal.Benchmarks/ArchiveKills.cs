using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// Kills the published program at random moments while it archives into three directories: whatever it acknowledged must be in all of them, whatever is
/// visible must be whole, and a last run must complete the rest.
/// </summary>
internal sealed class ArchiveKills(SegmentSet segments, string program, int kills, int seed)
{
    private readonly string _root = Directory.CreateTempSubdirectory("omnipg-kills-").FullName;
    private readonly HashSet<WalFileName> _acknowledged = [];
    private int _missing;
    private int _torn;

    private string[] Archives => [.. Enumerable.Range(1, 3).Select(i => Path.Combine(_root, $"archive-{i}"))];

    /// <summary>Usage: kills DATADIR PROGRAM [--kills N] [--seed S]</summary>
    public static Task RunAsync(string dataDirectory, string program, string[] options) =>
        new ArchiveKills(new SegmentSet(dataDirectory), program, (int)Words.Number(options, "--kills", 300), (int)Words.Number(options, "--seed", 1)).RunAsync();

    private async Task RunAsync()
    {
        foreach (var directory in Archives.Append(Path.Combine(_root, "state")))
            Directory.CreateDirectory(directory);
        // The first one begins the archives.
        var usual = (await ArchiveAsync(segments.Names[0], null)).Took;
        var (killed, ended, random) = (0, 0, new Random(seed));
        while (killed < kills)
        {
            var segment = segments.Names[(killed + ended) % segments.Names.Count];
#pragma warning disable CA5394 // A seed, so that a run can be had again.
            var (wasKilled, took) = await ArchiveAsync(segment, usual * (1.3 * random.NextDouble()));
#pragma warning restore CA5394
            (killed, ended) = wasKilled ? (killed + 1, ended) : (killed, ended + 1);
            if (!wasKilled)
                usual = (usual + took) / 2;
            if ((killed + ended) % segments.Names.Count == 0)
                Forget();
        }

        foreach (var segment in segments.Names)
            Inspect(segment);
        var left = Archives.Sum(static a => Directory.EnumerateFiles(a, ".*.tmp").Count());
        var incomplete = 0;
        foreach (var segment in segments.Names)
            if ((await ArchiveAsync(segment, null)).WasKilled || Archives.Any(a => !File.Exists(Path.Combine(a, $"{segment}.zst"))))
                incomplete++;
        Console.WriteLine("| kills | seed | ended by themselves | acknowledged but missing | torn | temporary files left by kills | not completed afterwards |\n|---|---|---|---|---|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {killed} | {seed} | {ended} | {_missing} | {_torn} | {left} | {incomplete} |"));
        Directory.Delete(_root, recursive: true);
        if (_missing + _torn + incomplete > 0)
            throw new InvalidOperationException("The archive is not what it promised to be.");
    }

    private async Task<(bool WasKilled, TimeSpan Took)> ArchiveAsync(WalFileName segment, TimeSpan? limit)
    {
        var started = Stopwatch.GetTimestamp();
        string[] words = ["archive", "--begin", "--data-dir", segments.DataDirectory, "--state-dir", Path.Combine(_root, "state"), .. Archives.SelectMany(a => (string[])["--dst-local", $"zstd={a}"]), segments.PathOf(segment)];
        using var process = Process.Start(new ProcessStartInfo(program, words) { RedirectStandardError = true })!;
        var ended = process.WaitForExitAsync();
        var wasKilled = limit is { } moment && await Task.WhenAny(ended, Task.Delay(moment)) != ended;
        if (wasKilled)
            process.Kill();
        await ended;
        if (process.ExitCode == 0)
            _acknowledged.Add(segment);
        else if (!wasKilled)
            throw new InvalidOperationException($"'{segment}' ended with {process.ExitCode}: {await process.StandardError.ReadToEndAsync()}");
        return (wasKilled && process.ExitCode != 0, Stopwatch.GetElapsedTime(started));
    }

    private void Inspect(WalFileName segment)
    {
        foreach (var path in Archives.Select(a => Path.Combine(a, $"{segment}.zst")))
        {
            if (!File.Exists(path))
                _missing += _acknowledged.Contains(segment) ? 1 : 0;
            else if (!Decode(path).AsSpan().SequenceEqual(File.ReadAllBytes(segments.PathOf(segment))))
                _torn++;
        }
    }

    // So that later kills find segments that nobody has archived: two of three are looked at and go.
    private void Forget()
    {
        foreach (var segment in segments.Names.Where(static (_, i) => i % 3 != 0))
        {
            Inspect(segment);
            _acknowledged.Remove(segment);
            foreach (var archive in Archives)
                File.Delete(Path.Combine(archive, $"{segment}.zst"));
        }
    }

    private static byte[] Decode(string path)
    {
        using var decoder = Codec.Zstd.Decompress(File.OpenRead(path));
        using var content = new MemoryStream();
        decoder.CopyTo(content);
        return content.ToArray();
    }
}
