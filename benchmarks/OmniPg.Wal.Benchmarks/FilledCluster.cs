using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>A server on disk with so many GiB: half of it the tables of pgbench, which compress well, half rows of random numbers and digests, which hardly do.</summary>
internal static class FilledCluster
{
    private const double MiBPerScale = 15;
    private const double BytesPerRow = 240;

    /// <summary>Below which a run makes its files: TMPDIR, else <c>/var/tmp</c>, because <c>/tmp</c> is often memory.</summary>
    public static TemporaryDirectory NewRoot() => new(Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } given ? given : "/var/tmp", forServer: true);

    public static async Task<PgCluster> StartAsync(string parent, double gib, string archiveCommand)
    {
        var server = await PgCluster.StartAsync(new PgClusterOptions
        {
            ParentDirectory = parent,
            // As initdb does by itself from 18 on; every backup compares them.
            InitDbArguments = ["--data-checksums"],
            Durable = true,
            Settings = new Dictionary<string, string>
            {
                // What is measured are the programs: the server's own flushes would only blur it.
                ["fsync"] = "off", ["autovacuum"] = "off", ["max_wal_size"] = "8GB", ["wal_level"] = "replica", ["archive_mode"] = "on", ["archive_command"] = archiveCommand,
            },
        });
        Console.Error.WriteLine($"filling {gib} GiB");
        (await server.RunProgramAsync(
            "pgbench", "-i", "-q", "-s", Text(Math.Max(1, gib * 1024 / 2 / MiBPerScale)), "-h", "127.0.0.1", "-p", Text(server.Port), "-U", "postgres", "postgres")).MustSucceed();
        await using var fill = server.DataSource.CreateCommand(
            "CREATE TABLE noise AS SELECT i, gen_random_uuid() a, gen_random_uuid() b, gen_random_uuid() c, gen_random_uuid() d, gen_random_uuid() e, gen_random_uuid() f, gen_random_uuid() g, "
            + $"gen_random_uuid() h, md5(i::text) || md5((i * 7)::text) t FROM generate_series(1, {Text(gib * (1 << 29) / BytesPerRow)}) i");
        fill.CommandTimeout = 0;
        await fill.ExecuteNonQueryAsync();
        await using var settle = server.DataSource.CreateCommand("CHECKPOINT");
        settle.CommandTimeout = 0;
        await settle.ExecuteNonQueryAsync();
        return server;
    }

    private static string Text(double number) => Math.Round(number).ToString(CultureInfo.InvariantCulture);
}
