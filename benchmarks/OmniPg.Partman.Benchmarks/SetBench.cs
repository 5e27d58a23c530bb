using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Testing;

/// <summary>Making many partitions, and looking at sets that need nothing, beside the extension on the same tables.</summary>
internal static class SetBench
{
    private const int Looks = 20;

    /// <summary>A set of many days, made by both, and looked at by both.</summary>
    public static async Task DaysAsync(int days, int rounds)
    {
        await using var cluster = await PgCluster.StartAsync();
        var (made, theirs, looked, theirLooks, trips, version) = (new List<Cost>(), new List<Cost>(), new List<Cost>(), new List<Cost>(), 0, (string?)null);
        for (var round = 0; round < rounds; round++)
        {
            // In turn, each first in every other round.
            foreach (var isOurs in round % 2 == 0 ? new[] { true, false } : [false, true])
            {
                var (database, extension) = await Bench.DatabaseAsync(cluster);
                await using var disposing = database;
                version = extension;
                if (!isOurs && extension is null)
                    continue;
                await database.ExecuteAsync("CREATE TABLE ours (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at); CREATE INDEX ON ours (at)");
                var start = DateTimeOffset.UtcNow.Date.AddDays(5 - days);
                if (!isOurs)
                {
                    theirs.Add(await Bench.CostAsync(cluster, () => database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"SELECT partman.create_parent('public.ours', 'at', '1 day', p_premake => 4, p_start_partition => '{start:yyyy-MM-dd}')"))));
                    await CountedAsync(database, days);
                    await database.ExecuteAsync("UPDATE partman.part_config SET infinite_time_partitions = true");
                    await database.ExecuteAsync("SELECT partman.run_maintenance()");
                    for (var n = 0; n < Looks; n++)
                        theirLooks.Add(await Bench.CostAsync(cluster, () => database.ExecuteAsync("SELECT partman.run_maintenance()")));
                    continue;
                }
                using var counted = new RoundTrips(database.ConnectionString);
                await using var source = NpgsqlDataSource.Create(counted.ConnectionString);
                await using (await source.OpenConnectionAsync())
                {
                }
                var partman = new PartmanClient(source, new PartmanOptions { Store = PartmanStore.Own });
                made.Add(await Bench.CostAsync(cluster, () => partman.CreateAsync(Bench.Ours, new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(1), Start = new DateTimeOffset(start, TimeSpan.Zero) })));
                await CountedAsync(database, days);
                await UnchangedAsync(partman);
                for (var n = 0; n < Looks; n++)
                    looked.Add(await Bench.CostAsync(cluster, async () => trips = await counted.CountAsync(() => UnchangedAsync(partman))));
            }
        }
        Console.WriteLine($"PostgreSQL {cluster.MajorVersion}, pg_partman {version ?? "not here"}, {days:N0} days, {rounds} rounds in turn");
        Bench.Row("", "pg_partman", "OmniPg.Partman", "of its time", "round trips");
        Bench.Row("create", Bench.Text(theirs), Bench.Text(made), Bench.Ratio(made, theirs), "");
        Bench.Row("nothing to do", Bench.Text(theirLooks), Bench.Text(looked), Bench.Ratio(looked, theirLooks), $"{trips}");
    }

    /// <summary>Many sets that need nothing.</summary>
    public static async Task ManyAsync(int sets, int children)
    {
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["max_locks_per_transaction"] = "4096", ["shared_buffers"] = "512MB" } });
        var (database, extension) = await Bench.DatabaseAsync(cluster);
        await using var disposing = database;
        using var counted = new RoundTrips(database.ConnectionString);
        await using var source = NpgsqlDataSource.Create(counted.ConnectionString);
        var partman = new PartmanClient(source, new PartmanOptions { Store = PartmanStore.Own });
        var start = new DateTimeOffset(DateTime.UtcNow.Date.AddDays(5 - children), TimeSpan.Zero);
        await database.ExecuteAsync("CREATE TABLE set1 (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)");
        await partman.CreateAsync(QualifiedName.Parse("public.set1"), new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(1), Start = start, DefaultPartition = false });
        // The others are copies of the first, table by table and row by row.
        for (var set = 2; set <= sets; set++)
        {
            await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $$"""
                DO $$DECLARE t text; BEGIN CREATE TABLE set{{set}} (at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
                FOR t IN SELECT format('CREATE TABLE %I PARTITION OF set{{set}} %s', replace(c.relname, 'set1_', 'set{{set}}_'), pg_get_expr(c.relpartbound, c.oid)) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'set1'::regclass LOOP EXECUTE t; END LOOP; END$$;
                INSERT INTO omnipg_partman.part_config SELECT (jsonb_populate_record(g, '{"parent_table": "public.set{{set}}"}')).* FROM omnipg_partman.part_config g WHERE parent_table = 'public.set1';
                INSERT INTO omnipg_partman.part_option SELECT 'public.set{{set}}', key, value FROM omnipg_partman.part_option WHERE parent_table = 'public.set1'
                """));
        }
        if (extension is not null)
        {
            await database.ExecuteAsync("""
                INSERT INTO partman.part_config (parent_table, control, partition_interval, partition_type, premake, automatic_maintenance, datetime_string, infinite_time_partitions)
                SELECT parent_table, control, partition_interval, partition_type, premake, 'on', datetime_string, true FROM omnipg_partman.part_config
                """);
        }
        await database.ExecuteAsync("VACUUM (ANALYZE) pg_catalog.pg_class, pg_catalog.pg_inherits, pg_catalog.pg_attribute");
        var trips = 0;
        await UnchangedAsync(partman);
        var ours = await Bench.SecondsAsync(async () => trips = await counted.CountAsync(() => UnchangedAsync(partman)));
        var theirs = double.NaN;
        if (extension is not null)
        {
            await database.ExecuteAsync("SET statement_timeout = 0; SELECT partman.run_maintenance()");
            await using var slow = NpgsqlDataSource.Create(database.ConnectionString + ";Command Timeout=0");
            await using var command = slow.CreateCommand("SELECT partman.run_maintenance()");
            theirs = await Bench.SecondsAsync(() => command.ExecuteNonQueryAsync());
        }
        Console.WriteLine($"PostgreSQL {cluster.MajorVersion}, pg_partman {extension ?? "not here"}, {sets:N0} sets of {children} partitions, nothing to do");
        Bench.Row("pg_partman", "OmniPg.Partman", "of its time", "round trips", "a set");
        Bench.Row(Bench.Text(double.IsNaN(theirs) ? [] : [theirs]), Bench.Text([ours]), Bench.Ratio(ours, theirs), $"{trips}", ((double)trips / sets).ToString("0.00", CultureInfo.InvariantCulture));
    }

    private static async Task CountedAsync(TestDatabase database, int days)
    {
        var found = await database.ScalarAsync<long>("SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'ours'::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'");
        if (found != days)
            throw new InvalidOperationException($"{found} partitions instead of {days}.");
    }

    private static async Task UnchangedAsync(PartmanClient partman)
    {
        var result = await partman.MaintainAsync();
        if (!result.AllSucceeded || result.Sets.Any(s => s.Changes.Count > 0))
            throw new InvalidOperationException($"Something was to do: {result.Sets.First(s => s.Error is not null || s.Changes.Count > 0)}");
    }
}
