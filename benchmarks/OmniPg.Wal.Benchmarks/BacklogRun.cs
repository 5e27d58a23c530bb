using System.Diagnostics;
using System.Globalization;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// What does archiving a backlog cost, in time and in processor time of every process, beside pgBackRest? A loop stands in for the server's archiver: one command per
/// segment, in order, <c>.ready</c> becomes <c>.done</c> when it succeeded. All cases store into directories on the same disk; the cases take turns.
/// </summary>
/// <param name="segments">Where the segments come from.</param>
/// <param name="count">How many.</param>
/// <param name="program">The published <c>omnipg-wal</c>; <c>omnipg-wal-push</c> lies beside it.</param>
internal sealed class BacklogRun(SegmentSet segments, int count, string program)
{
    private const int ProcessMax = 2;
    private const int NameDigits = 24;
    private readonly IReadOnlyList<WalFileName> _backlog = [.. segments.Sample(count).Distinct()];
    private readonly string _root = Directory.CreateTempSubdirectory("omnipg-backlog-").FullName;
    private readonly List<(string Name, Func<string, Task> Run, List<Measurement> Rounds)> _cases = [];

    /// <summary>Runs every case whose program is there.</summary>
    /// <param name="rounds">How often; medians are printed.</param>
    public async Task RunAsync(int rounds)
    {
        ProcessorTime.AdoptOrphans();
        // The first two are what the others are compared with.
        foreach (var mode in File.Exists(PgBackRest.Program) ? (string[])["async", "sync"] : [])
            _cases.Add(($"pgBackRest {mode}, zst 3" + (mode == "async" ? $", process-max={ProcessMax}" : ""), root => PgBackRestAsync(root, mode), []));
        foreach (var codec in (string[])["zstd", "zstd:3"])
        {
            _cases.Add(($"resident + omnipg-wal-push, {WalLocation.Parse(codec + "=/")}"[..^2], root => ResidentAsync(root, codec), []));
            _cases.Add(($"one omnipg-wal per segment, {WalLocation.Parse(codec + "=/")}"[..^2], root => OneProcessAsync(root, codec), []));
        }

        _cases.Add(("cp && sync && mv", root => ShellAsync(root, "cp \"$1\" \"$2.tmp\" && sync \"$2.tmp\" && mv \"$2.tmp\" \"$2\""), []));
        _cases.Add(("zstd -3 && sync && mv", root => ShellAsync(root, "zstd -q -3 \"$1\" -o \"$2.tmp\" && sync \"$2.tmp\" && mv \"$2.tmp\" \"$2\""), []));
        // What OmniPITR does for each segment: perl with its modules, which has a shell write through 'nice' and the codec's program, and renames. It flushes nothing.
        _cases.Add(("perl, nice zstd -3 and rename, without sync, as OmniPITR", root => ShellAsync(root, "perl -MPOSIX -MCwd -MFile::Basename -MFile::Copy -MFile::Path -MFile::Temp -MGetopt::Long "
            + "-e 'exit(system(\"/bin/bash\", \"-c\", \"nice zstd -q -3 -c $ARGV[0] > $ARGV[1].tmp\") != 0 || !rename(\"$ARGV[1].tmp\", $ARGV[1]))' \"$1\" \"$2\""), []));
        try
        {
            for (var round = 1; round <= rounds; round++)
                foreach (var (name, run, measurements) in _cases)
                {
                    measurements.Add(await MeasureAsync(run));
                    Console.Error.WriteLine(FormattableString.Invariant($"round {round}, {name}: {measurements[^1].Seconds:0.00} s, {measurements[^1].ProcessorSeconds:0.00} s of processor time"));
                }
        }
        finally
        {
            Directory.Delete(_root, recursive: true);
        }

        Console.WriteLine("| case | CPU, ms/segment | wall, ms/segment | CPU × async | wall × async | CPU × sync | wall × sync | archive, MiB |\n|---|---|---|---|---|---|---|---|");
        var (ofAsync, ofSync) = File.Exists(PgBackRest.Program) ? (Median(_cases[0].Rounds), Median(_cases[1].Rounds)) : (new Measurement(double.NaN, double.NaN, 0), new Measurement(double.NaN, double.NaN, 0));
        foreach (var (name, _, measurements) in _cases)
        {
            var m = Median(measurements);
            Console.WriteLine(FormattableString.Invariant(
                $"| {name} | {m.ProcessorSeconds * 1000 / _backlog.Count:0.0} | {m.Seconds * 1000 / _backlog.Count:0.0} | {m.ProcessorSeconds / ofAsync.ProcessorSeconds:0.00} | {m.Seconds / ofAsync.Seconds:0.00} | {m.ProcessorSeconds / ofSync.ProcessorSeconds:0.00} | {m.Seconds / ofSync.Seconds:0.00} | {m.Bytes / 1048576.0:0.0} |"));
        }
    }

    internal static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        return process.ExitCode == 0;
    }

    private async Task<Measurement> MeasureAsync(Func<string, Task> run)
    {
        foreach (var old in Directory.EnumerateFiles(segments.StatusDirectory))
            File.Delete(old);
        foreach (var file in _backlog)
            File.WriteAllText(Path.Combine(segments.StatusDirectory, $"{file}.ready"), "");
        var root = Directory.CreateDirectory(Path.Combine(_root, "case")).FullName;
        var before = ProcessorTime.OfAllThatEnded();
        var started = Stopwatch.GetTimestamp();
        await run(root);
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        // Its asynchronous process works on after the last push: that is its cost, and would be in the way of the next case.
        await PgBackRest.WaitUntilIdleAsync();
        var names = _backlog.Select(static b => b.ToString()).ToHashSet();
        var archived = new DirectoryInfo(root).EnumerateFiles("*", SearchOption.AllDirectories).Where(f => f.Name.Length >= NameDigits && names.Contains(f.Name[..NameDigits]));
        var measured = new Measurement(seconds, ProcessorTime.OfAllThatEnded() - before, archived.Sum(static f => f.Length));
        Directory.Delete(root, recursive: true);
        return measured;
    }

    private async Task PgBackRestAsync(string root, string mode)
    {
        var pgBackRest = new PgBackRest(root, segments.DataDirectory, mode, ProcessMax);
        await PushAllAsync(pgBackRest.PushAsync);
    }

    // As a server uses it: the program in resident mode, and the small client for every segment.
    private async Task ResidentAsync(string root, string codec)
    {
        var socket = Path.Combine(root, "socket");
        var archive = Directory.CreateDirectory(Path.Combine(root, "archive")).FullName;
        using var resident = Process.Start(
            program,
            ["resident", "--begin", "--data-dir", segments.DataDirectory, "--socket", socket, "--spool", Path.Combine(root, "spool"), "--process-max", ProcessMax.ToString(CultureInfo.InvariantCulture), "--dst-local", $"{codec}={archive}"]);
        while (!File.Exists(socket) && !resident.HasExited)
            await Task.Delay(1);
        await PushAllAsync(file => RunAsync(Path.Combine(Path.GetDirectoryName(program)!, "omnipg-wal-push"), socket, segments.PathOf(file)));
        using var stop = Process.Start("/bin/kill", [resident.Id.ToString(CultureInfo.InvariantCulture)]);
        await stop.WaitForExitAsync();
        await resident.WaitForExitAsync();
    }

    private Task OneProcessAsync(string root, string codec)
    {
        var archive = Directory.CreateDirectory(Path.Combine(root, "archive")).FullName;
        return PushAllAsync(file => RunAsync(program, "archive", "--begin", "--data-dir", segments.DataDirectory, "--state-dir", root, "--dst-local", $"{codec}={archive}", segments.PathOf(file)));
    }

    private Task ShellAsync(string root, string command) =>
        PushAllAsync(file => RunAsync("/bin/sh", "-c", command, "sh", segments.PathOf(file), Path.Combine(root, file.ToString())));

    private async Task PushAllAsync(Func<WalFileName, Task<bool>> push)
    {
        foreach (var file in _backlog)
        {
            if (!await push(file))
                throw new InvalidOperationException($"'{file}' was not archived.");
            File.Move(Path.Combine(segments.StatusDirectory, $"{file}.ready"), Path.Combine(segments.StatusDirectory, $"{file}.done"));
        }
    }

    private static Measurement Median(List<Measurement> rounds) => new(
        rounds.Select(static r => r.Seconds).Order().ElementAt(rounds.Count / 2),
        rounds.Select(static r => r.ProcessorSeconds).Order().ElementAt(rounds.Count / 2),
        rounds[^1].Bytes);

    private readonly record struct Measurement(double Seconds, double ProcessorSeconds, long Bytes);
}
