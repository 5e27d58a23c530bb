using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// Does the receiver keep up with a server under pgbench at full speed, and what does it cost beside pg_receivewal on the same stream? Both receive at the same time, each over a slot of its own.
/// The lag is what the server has flushed and the receiver has not, by the server's own view of it; a segment of 16 MiB is what it may grow.
/// </summary>
internal static class ReceiverFigures
{
    private const int Clients = 8;

    /// <summary>Usage: receiver PROGRAM [--seconds S] [--scale N]</summary>
    public static async Task RunAsync(string program, string[] options)
    {
        var seconds = (int)Words.Number(options, "--seconds", 180);
        using var root = FilledCluster.NewRoot();
        await using var server = await FilledCluster.StartAsync(root.Path, Words.Number(options, "--gib", 0.5), "/bin/true");
        Console.WriteLine(await Cost.MachineAsync(server) + "\n");
        foreach (var slot in (string[])["ours", "theirs"])
            await server.ExecuteAsync($"SELECT pg_create_physical_replication_slot('{slot}', true)");
        var (into, beside) = (Directory.CreateDirectory(root.Combine("ours")).FullName, Directory.CreateDirectory(root.Combine("theirs")).FullName);
        using var ours = Process.Start(Path.GetFullPath(program), ["receive", "--connection", server.ConnectionString, "--slot", "ours", "--into", into, "--begin"]);
        using var theirs = Process.Start(Path.Combine(server.BinDirectory, "pg_receivewal"), ["-h", "127.0.0.1", "-p", $"{server.Port}", "-U", "postgres", "-S", "theirs", "-D", beside]);
        await Eventually.TrueAsync(
            () => ours.HasExited || theirs.HasExited
                ? throw new InvalidOperationException("A receiver has ended.")
                : server.ScalarAsync<bool>("SELECT count(*) = 2 FROM pg_stat_replication WHERE state = 'streaming'"),
            "both receive", TimeSpan.FromSeconds(30), CancellationToken.None);
        var start = await server.ScalarAsync<decimal>("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn");
        var (oursBefore, theirsBefore) = (ProcessorTime.Of(ours.Id), ProcessorTime.Of(theirs.Id));

        var load = server.RunProgramAsync("pgbench", "-n", "-c", $"{Clients}", "-j", "2", "-T", $"{seconds}", "-h", "127.0.0.1", "-p", $"{server.Port}", "-U", "postgres", "postgres");
        var lags = new List<(double Second, decimal MiB)>();
        var clock = Stopwatch.StartNew();
        while (await Task.WhenAny(load, Task.Delay(TimeSpan.FromSeconds(1))) != load)
            lags.Add((clock.Elapsed.TotalSeconds, await server.ScalarAsync<decimal>("SELECT (pg_current_wal_flush_lsn() - flush_lsn) / 1048576 FROM pg_stat_replication WHERE application_name = 'ours'")));
        (await load).MustSucceed();

        var end = await server.ScalarAsync<decimal>("SELECT pg_switch_wal() - '0/0'::pg_lsn");
        // Both have all of it: the segment that has just ended is complete in both places.
        var last = await server.ScalarAsync<string>($"SELECT pg_walfile_name('0/0'::pg_lsn + {end})");
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(into, last)) && File.Exists(Path.Combine(beside, last)), "both have all", TimeSpan.FromSeconds(300), CancellationToken.None);
        var gib = (double)(end - start) / (1 << 30);
        var (ourCost, theirCost) = ((ProcessorTime.Of(ours.Id) - oursBefore) / gib, (ProcessorTime.Of(theirs.Id) - theirsBefore) / gib);
        var (ourPeak, theirPeak) = (Cost.PeakMiBOf(ours.Id), Cost.PeakMiBOf(theirs.Id));
        ServerAccount.Signal(ours.Id, 15);
        ServerAccount.Signal(theirs.Id, 2);
        await Task.WhenAll(ours.WaitForExitAsync(), theirs.WaitForExitAsync());
        await Cost.OfAsync("cmp", Path.Combine(into, last), Path.Combine(beside, last));

        // Of a run that is shorter than three minutes, its first and its last third.
        var window = Math.Min(60, seconds / 3.0);
        Console.WriteLine(FormattableString.Invariant($"pgbench -c {Clients} for {seconds} s wrote {gib:0.00} GiB of WAL. Lag after the first {window:0} s and over the last {window:0} s:\n"));
        Console.WriteLine("| receiver | CPU, s per GiB | × pg_receivewal | VmHWM, MiB | lag behind the first, MiB | at the end, MiB | median of the last, MiB | most of all, MiB |\n|---|---|---|---|---|---|---|---|");
        var closing = lags.Where(l => l.Second >= seconds - window).Select(static l => l.MiB).Order().ToArray();
        Console.WriteLine(FormattableString.Invariant(
            $"| omnipg-wal receive | {ourCost:0.00} | {ourCost / theirCost:0.00} | {ourPeak:0} | {lags.First(l => l.Second >= window).MiB:0.0} | {lags[^1].MiB:0.0} | {closing[closing.Length / 2]:0.0} | {lags.Max(static l => l.MiB):0.0} |"));
        Console.WriteLine(FormattableString.Invariant($"| pg_receivewal | {theirCost:0.00} | 1.00 | {theirPeak:0} | – | – | – | – |"));
    }
}
