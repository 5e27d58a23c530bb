using System.Diagnostics;
using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>
/// What does a commit cost that waits for the receiver? pgbench on a server whose <c>synchronous_standby_names</c> is this program, then <c>pg_receivewal --synchronous</c>, in turn and each alone:
/// commits in a second, and the receiver's processor time for a thousand of them.
/// </summary>
internal static class SynchronousFigures
{
    /// <summary>Usage: synchronous PROGRAM [--seconds S] [--rounds N]</summary>
    public static async Task RunAsync(string program, string[] options)
    {
        var (seconds, rounds) = ((int)Words.Number(options, "--seconds", 15), (int)Words.Number(options, "--rounds", 3));
        using var root = FilledCluster.NewRoot();
        await using var server = await FilledCluster.StartAsync(root.Path, 0.1, "/bin/true");
        Console.WriteLine(await Cost.MachineAsync(server) + "\n");
        await server.ExecuteAsync("ALTER SYSTEM SET synchronous_standby_names = 'waited_for'");
        Console.WriteLine($"{rounds} rounds of {seconds} s each, medians\n\n| receiver | clients | commits/s | × pg_receivewal | CPU, ms per 1000 commits | × pg_receivewal |\n|---|---|---|---|---|---|");
        foreach (var clients in (int[])[1, 8])
        {
            var (ours, theirs) = (new List<(double Rate, double Cost)>(), new List<(double Rate, double Cost)>());
            for (var round = 0; round < rounds; round++)
            {
                ours.Add(await MeasureAsync(server, clients, seconds, slot => Process.Start(
                    Path.GetFullPath(program), ["receive", "--connection", server.ConnectionString, "--slot", slot, "--into", Fresh(), "--synchronous", "--application-name", "waited_for", "--begin"])));
                theirs.Add(await MeasureAsync(server, clients, seconds, slot => Process.Start(
                    Path.Combine(server.BinDirectory, "pg_receivewal"),
                    ["-d", $"host=127.0.0.1 port={server.Port} user=postgres application_name=waited_for", "-S", slot, "-D", Fresh(), "--synchronous"])));
            }

            var (us, them) = (Median(ours), Median(theirs));
            Print("omnipg-wal receive --synchronous", clients, us, them);
            Print("pg_receivewal --synchronous", clients, them, them);
        }

        string Fresh() => Directory.CreateDirectory(root.Combine(Path.GetRandomFileName())).FullName;
    }

    private static async Task<(double Rate, double Cost)> MeasureAsync(PgCluster server, int clients, int seconds, Func<string, Process> start)
    {
        var slot = "measured_" + Guid.NewGuid().ToString("N")[..8];
        await server.ExecuteAsync($"SELECT pg_create_physical_replication_slot('{slot}', true)");
        using var receiver = start(slot);
        await Eventually.TrueAsync(
            () => receiver.HasExited
                ? throw new InvalidOperationException("The receiver has ended.")
                : server.ScalarAsync<bool>("SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'"),
            "it receives", TimeSpan.FromSeconds(30), CancellationToken.None);
        await server.ExecuteAsync("SELECT pg_reload_conf()");
        await Eventually.TrueAsync(() => server.ScalarAsync<bool>("SELECT sync_state = 'sync' FROM pg_stat_replication"), "commits wait for it", TimeSpan.FromSeconds(30), CancellationToken.None);
        var before = ProcessorTime.Of(receiver.Id);
        var load = await server.RunProgramAsync(
            "pgbench", "-n", "-N", "-c", $"{clients}", "-j", $"{Math.Min(2, clients)}", "-T", $"{seconds}", "-h", "127.0.0.1", "-p", $"{server.Port}", "-U", "postgres", "postgres");
        load.MustSucceed();
        var cost = ProcessorTime.Of(receiver.Id) - before;
        ServerAccount.Signal(receiver.Id, 2);
        await receiver.WaitForExitAsync();
        await Eventually.TrueAsync(
            () => server.ScalarAsync<bool>($"SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{slot}'"), "the slot is free", TimeSpan.FromSeconds(30), CancellationToken.None);
        await server.ExecuteAsync($"SELECT pg_drop_replication_slot('{slot}')");
        var commits = Number(load.Output, "number of transactions actually processed: ");
        return (Number(load.Output, "tps = "), cost * 1e6 / commits);
    }

    private static void Print(string name, int clients, (double Rate, double Cost) figure, (double Rate, double Cost) other) => Console.WriteLine(FormattableString.Invariant(
        $"| {name} | {clients} | {figure.Rate:0} | {figure.Rate / other.Rate:0.00} | {figure.Cost:0.0} | {figure.Cost / other.Cost:0.00} |"));

    private static (double Rate, double Cost) Median(List<(double Rate, double Cost)> rounds) =>
        (rounds.Select(static r => r.Rate).Order().ElementAt(rounds.Count / 2), rounds.Select(static r => r.Cost).Order().ElementAt(rounds.Count / 2));

    private static double Number(string output, string before)
    {
        var text = output[(output.IndexOf(before, StringComparison.Ordinal) + before.Length)..];
        return double.Parse(text[..text.IndexOfAnyExcept("0123456789.".AsSpan())], CultureInfo.InvariantCulture);
    }
}
