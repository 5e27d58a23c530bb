using System.Diagnostics;
using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Does the memory of the resident program stay flat? Segments by its client, one after the other, each taken out of the archive again; what the process holds is told from time to time.</summary>
internal static class ResidentSoak
{
    /// <summary>Usage: resident-soak DATADIR PROGRAM COUNT [--process-max N]</summary>
    public static async Task RunAsync(SegmentSet segments, string program, int count, string[] options)
    {
        var workers = (int)Words.Number(options, "--process-max", 1);
        using var root = FilledCluster.NewRoot();
        var (archive, socket) = (Directory.CreateDirectory(root.Combine("archive")).FullName, root.Combine("socket"));
        using var resident = Process.Start(
            program,
            [
                "resident", "--begin", "--data-dir", segments.DataDirectory, "--socket", socket, "--spool", root.Combine("spool"), "--process-max", workers.ToString(CultureInfo.InvariantCulture),
                "--dst-local", $"zstd={archive}",
            ]);
        await Eventually.TrueAsync(() => resident.HasExited ? throw new InvalidOperationException("The resident process has ended.") : File.Exists(socket), "it listens", TimeSpan.FromSeconds(30), CancellationToken.None);
        var push = Path.Combine(Path.GetDirectoryName(program)!, "omnipg-wal-push");
        Console.WriteLine($"| segments, {workers} workers | resident MiB | VmHWM, MiB | per worker | open files | CPU, ms/segment |\n|---|---|---|---|---|---|");
        for (var done = 1; done <= count; done++)
        {
            // As many at once as there are workers, so that each of them has its memory.
            var names = Enumerable.Range(0, workers).Select(i => segments.Names[((done * workers) + i) % segments.Names.Count]).Distinct().ToArray();
            var pushed = await Task.WhenAll(names.Select(name => BacklogRun.RunAsync(push, socket, segments.PathOf(name))));
            foreach (var stored in names.Select(name => Path.Combine(archive, $"{name}.zst")))
            {
                if (!pushed.All(static p => p) || !File.Exists(stored))
                    throw new InvalidOperationException($"'{stored}' is not there.");
                File.Delete(stored);
            }

            if (done * workers is 10 or 100 || done * workers % 1000 < workers || done == count)
                Print(resident.Id, done * workers, workers);
            if (done * workers >= count)
                break;
        }

        ServerAccount.Signal(resident.Id, 15);
        await resident.WaitForExitAsync();
    }

    private static void Print(int process, int done, int workers)
    {
        var resident = File.ReadLines($"/proc/{process}/status").First(static l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        var peak = Cost.PeakMiBOf(process);
        Console.WriteLine(FormattableString.Invariant(
            $"| {done} | {double.Parse(resident, CultureInfo.InvariantCulture) / 1024:0.0} | {peak:0.0} | {peak / workers:0.0} | {Directory.GetFiles($"/proc/{process}/fd").Length} | {ProcessorTime.Of(process) * 1000 / done:0.0} |"));
    }
}
