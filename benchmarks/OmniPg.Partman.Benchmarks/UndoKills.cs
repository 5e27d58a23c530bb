using System.Diagnostics;
using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Partman;
using OmniPg.Testing;

/// <summary>Undoes sets, over and over, in a process that is killed at any moment.</summary>
internal static class UndoKills
{
    private const int Rows = 6000;

    private const string Tables =
        """
        DROP TABLE IF EXISTS events, plain;
        DO $$ DECLARE t text; BEGIN FOR t IN SELECT quote_ident(c.relname) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END $$;
        CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id); CREATE TABLE plain (id bigint NOT NULL, note text)
        """;

    private static string Sum(string tables) => $"SELECT count(*) || ' ' || COALESCE(sum(hashtextextended(r::text, 0)::numeric), 0) FROM (SELECT id, note FROM {tables}) r";

    public static async Task RunAsync(int kills, int seed)
    {
        var chance = new Random(seed);
        await using var cluster = await PgCluster.StartAsync();
        await using var database = await cluster.CreateDatabaseAsync();
        var partman = new PartmanClient(database.DataSource);
        var (done, ends, phases, batch, wanted) = (0, 0, new SortedDictionary<string, int>(), 0, "");
        while (done < kills)
        {
            if (batch == 0)
            {
                await database.ExecuteAsync(Tables);
                await partman.CreateAsync(QualifiedName.Parse("public.events"), new PartitionSetOptions { Control = "id", IdInterval = 500, Premake = 4 });
                await database.ExecuteAsync(string.Create(CultureInfo.InvariantCulture, $"INSERT INTO events SELECT n, 'n' || n FROM generate_series(1, {Rows}) n"));
                (wanted, batch) = (await database.ScalarAsync<string>(Sum("events")), chance.Next(20, 200));
            }
            using var child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["undo", database.ConnectionString, batch.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (output, error) = (child.StandardOutput.ReadLineAsync(), child.StandardError.ReadToEndAsync());
            // Its first line says that it is at work; what it takes to start is no phase.
            await output;
            using var patience = new CancellationTokenSource(chance.Next(300, 5000));
            try
            {
                await child.WaitForExitAsync(patience.Token);
                if (child.ExitCode != 0)
                    throw new InvalidOperationException($"The undo failed: {await error}");
                (ends, batch) = (ends + 1, 0);
            }
            catch (OperationCanceledException)
            {
                child.Kill();
                await child.WaitForExitAsync();
                done++;
                var phase = await database.ScalarAsync<string>(
                    "SELECT CASE WHEN NOT EXISTS (SELECT FROM omnipg_partman.operation WHERE kind = 'undo' AND finished_at IS NULL) THEN 'at rest' ELSE (SELECT count(*) || ' partitions left' FROM pg_inherits WHERE inhparent = 'events'::regclass) END");
                phases[phase] = phases.GetValueOrDefault(phase) + 1;
            }
            var found = await database.ScalarAsync<string>(Sum(batch == 0 ? "plain" : "events UNION ALL SELECT id, note FROM plain"));
            if (found != wanted)
                throw new InvalidOperationException($"Rows are '{found}' for '{wanted}' behind {done} kills (seed {seed}).");
        }
        Console.WriteLine($"seed {seed}: {done} kills ({string.Join(", ", phases.Select(p => $"{p.Value} {p.Key}"))}), {ends} undone sets, {Rows} rows each, none lost and none twice");
    }

    /// <summary>One undo, to its end.</summary>
    public static async Task UndoAsync(string connection, int batch)
    {
        await using var source = NpgsqlDataSource.Create(connection + ";Pooling=false");
        var partman = new PartmanClient(source);
        while (true)
        {
            try
            {
                Console.WriteLine("at work");
                await partman.UndoAsync(QualifiedName.Parse("public.events"), QualifiedName.Parse("public.plain"), new UndoOptions { BatchSize = batch, KeepTables = batch % 2 == 0 });
                return;
            }
            catch (PartmanBusyException)
            {
                // The backends of the one before are not gone yet.
                await Task.Delay(20);
            }
        }
    }
}
