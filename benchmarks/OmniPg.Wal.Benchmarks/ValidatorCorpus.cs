using OmniPg.Testing;

namespace OmniPg.Wal.Benchmarks;

/// <summary>Segments of 16 MiB from a real server under pgbench, in memory. Made once per process.</summary>
internal sealed record ValidatorCorpus(WalExpectations Expectations, IReadOnlyList<(WalFileName Name, byte[] Content)> Segments)
{
    public const int SegmentCount = 4;
    public const int SegmentBytes = 16 << 20;
    public const long Bytes = (long)SegmentCount * SegmentBytes;

    private static readonly Dictionary<string, ValidatorCorpus> Cache = [];

    /// <param name="kind"><c>fpi</c>: right after a checkpoint, mostly full-page images. <c>small</c>: full-page images off, mostly small records.</param>
    public static ValidatorCorpus Get(string kind)
    {
        if (!Cache.TryGetValue(kind, out var corpus))
            Cache[kind] = corpus = CreateAsync(kind == "fpi").GetAwaiter().GetResult();
        return corpus;
    }

    private static async Task<ValidatorCorpus> CreateAsync(bool fullPageImages)
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions
        {
            Settings = new Dictionary<string, string>
            {
                ["full_page_writes"] = fullPageImages ? "on" : "off",
                ["wal_keep_size"] = "1GB",
                ["max_wal_size"] = "4GB",
                ["wal_level"] = "replica",
                ["autovacuum"] = "off",
            },
        });
        (await cluster.RunProgramAsync("pgbench", "-p", Port(cluster), "-h", "127.0.0.1", "-U", "postgres", "-i", "-s", "20", "-q", "postgres")).MustSucceed();
        await cluster.ExecuteAsync("CHECKPOINT");
        await cluster.ExecuteAsync("SELECT pg_switch_wal()");
        var first = await cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_lsn() + 1)");
        var size = WalSegmentSize.Default;
        var name = WalFileName.Parse(first, null);
        var last = WalFileName.ForSegmentNumber(1, name.SegmentNumber(size) + SegmentCount + 1, size);
        var wal = Path.Combine(cluster.DataDirectory, "pg_wal");
        while (string.CompareOrdinal(await cluster.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_lsn())"), last.ToString()) < 0)
            (await cluster.RunProgramAsync("pgbench", "-p", Port(cluster), "-h", "127.0.0.1", "-U", "postgres", "-c", "4", "-j", "2", "-T", "4", "-n", "postgres")).MustSucceed();
        var segments = new List<(WalFileName, byte[])>();
        for (var i = 0; i < SegmentCount; i++, name = name.Next(size))
            segments.Add((name, await File.ReadAllBytesAsync(Path.Combine(wal, name.ToString()))));
        return new ValidatorCorpus((await PgControlFile.ReadAsync(cluster.DataDirectory)).ToExpectations(), segments);
    }

    private static string Port(PgCluster cluster) => cluster.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
