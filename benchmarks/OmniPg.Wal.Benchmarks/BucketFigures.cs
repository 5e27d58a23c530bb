using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// What does it cost the archiver that its archive is a bucket? The same segments by the resident process and its client into a directory, and into an S3 server in this process that lets every
/// request wait for 20 ms. The processor time of that server is told beside, and is not the archiver's.
/// </summary>
/// <param name="segments">Where the segments come from.</param>
/// <param name="count">How many.</param>
/// <param name="program">The published <c>omnipg-wal</c>; <c>omnipg-wal-push</c> lies beside it.</param>
internal sealed class BucketFigures(SegmentSet segments, int count, string program)
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20);
    private readonly IReadOnlyList<WalFileName> _backlog = [.. segments.Sample(count).Distinct()];

    /// <summary>Runs both in turn.</summary>
    public async Task RunAsync(int rounds)
    {
        ProcessorTime.AdoptOrphans();
        var (directory, bucket) = (new List<Figure>(), new List<Figure>());
        for (var round = 1; round <= rounds; round++)
        {
            using var root = FilledCluster.NewRoot();
            var archive = Directory.CreateDirectory(root.Combine("archive")).FullName;
            directory.Add(await MeasureAsync(root.Path, ["--dst-local", $"zstd={archive}"], []));
            await using var server = await S3Endpoint.StartAsync();
            server.Fault = static _ => new S3Fault { Hold = Task.Delay(Delay) };
            var (own, requests) = (Environment.CpuUsage.TotalTime, server.Requests);
            var figure = await MeasureAsync(
                root.Path,
                ["--dst-s3", $"zstd=s3://{S3Endpoint.Bucket}/archive", "--s3-endpoint", server.Url.ToString(), "--s3-region", "us-east-1", "--s3-path-style"],
                new() { ["AWS_ACCESS_KEY_ID"] = S3Endpoint.AccessKey, ["AWS_SECRET_ACCESS_KEY"] = S3Endpoint.SecretKey, ["AWS_EC2_METADATA_DISABLED"] = "true" });
            bucket.Add(figure with { ServerSeconds = (Environment.CpuUsage.TotalTime - own).TotalSeconds, Requests = server.Requests - requests });
            if (server.Keys.Count(static k => k.EndsWith(".zst", StringComparison.Ordinal)) != _backlog.Count)
                throw new InvalidOperationException("Not every segment is in the bucket.");
        }

        Console.WriteLine($"{_backlog.Count} segments, {rounds} rounds, medians; process-max=2\n");
        Console.WriteLine("| archive | wall, ms/segment | CPU of resident and client, ms/segment | × directory | VmHWM, MiB | requests/segment | CPU of the S3 server, ms/segment |\n|---|---|---|---|---|---|---|");
        var (first, second) = (Median(directory), Median(bucket));
        Print("a directory", first, first);
        Print("S3, 20 ms more per request", second, first);
    }

    private void Print(string name, Figure figure, Figure other) => Console.WriteLine(FormattableString.Invariant(
        $"| {name} | {PerSegment(figure.Cost.Seconds):0.0} | {PerSegment(figure.Cost.ProcessorSeconds):0.0} | {figure.Cost.ProcessorSeconds / other.Cost.ProcessorSeconds:0.00} | {figure.Cost.PeakMiB:0} | {figure.Requests / (double)_backlog.Count:0.0} | {PerSegment(figure.ServerSeconds):0.0} |"));

    private double PerSegment(double seconds) => seconds * 1000 / _backlog.Count;

    private static Figure Median(List<Figure> rounds) => new(Cost.MedianOf([.. rounds.Select(static r => r.Cost)]))
    {
        ServerSeconds = rounds.Select(static r => r.ServerSeconds).Order().ElementAt(rounds.Count / 2), Requests = rounds[0].Requests,
    };

    private async Task<Figure> MeasureAsync(string root, string[] destination, Dictionary<string, string> environment)
    {
        foreach (var old in Directory.EnumerateFiles(segments.StatusDirectory))
            File.Delete(old);
        foreach (var file in _backlog)
            File.WriteAllText(Path.Combine(segments.StatusDirectory, $"{file}.ready"), "");
        var socket = Path.Combine(root, "socket");
        var before = ProcessorTime.OfAllThatEnded();
        var start = new ProcessStartInfo(program, ["resident", "--begin", "--data-dir", segments.DataDirectory, "--socket", socket, "--spool", Path.Combine(root, "spool"), "--process-max", "2", .. destination]);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var resident = Process.Start(start)!;
        await Eventually.TrueAsync(() => resident.HasExited ? throw new InvalidOperationException("The resident process has ended.") : File.Exists(socket), "it listens", TimeSpan.FromSeconds(30), CancellationToken.None);
        var began = Stopwatch.GetTimestamp();
        foreach (var file in _backlog)
        {
            if (!await BacklogRun.RunAsync(Path.Combine(Path.GetDirectoryName(program)!, "omnipg-wal-push"), socket, segments.PathOf(file)))
                throw new InvalidOperationException($"'{file}' was not archived.");
            File.Move(Path.Combine(segments.StatusDirectory, $"{file}.ready"), Path.Combine(segments.StatusDirectory, $"{file}.done"));
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var peak = Cost.PeakMiBOf(resident.Id);
        ServerAccount.Signal(resident.Id, 15);
        await resident.WaitForExitAsync();
        return new Figure(new Cost(seconds, ProcessorTime.OfAllThatEnded() - before, peak));
    }

    private sealed record Figure(Cost Cost)
    {
        public double ServerSeconds { get; init; }

        public double Requests { get; init; }
    }
}
