using System.Globalization;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using OmniPg.Testing;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>How long does it take to get a schema of 4,000 entries into files, against pg_dump alone and against a pg_restore per object?</summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 1, iterationCount: 5)]
[MemoryDiagnoser]
public class ExtractBenchmarks
{
    private const int Tables = 670; // six entries each, with primary key, default, sequence, owner of the sequence and comment
    private readonly SchemaExtractor _extractor = new();
    private PgCluster _cluster = null!;
    private TestDatabase _database = null!;
    private string _directory = "";
    private string[] _objects = [];
    private int _run;

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _cluster = await PgCluster.StartAsync();
        _database = await _cluster.CreateDatabaseAsync();
        await _database.ExecuteAsync($"DO $$ BEGIN FOR i IN 1..{Tables} LOOP EXECUTE format('CREATE TABLE public.t%s (id serial PRIMARY KEY, "
            + "customer_id integer NOT NULL, amount numeric(12,2), note text, created_at timestamptz DEFAULT now()); COMMENT ON TABLE public.t%s IS ''table''', i, i); END LOOP; END $$");
        _directory = Directory.CreateTempSubdirectory("omnipg-bench-").FullName;
        var report = await _extractor.From(_database.DataSource).RunAsync(In("warm"));
        Console.WriteLine($"// {report.Account.Total} entries, {report.Files.Count} files");
        _objects = [.. Enumerable.Range(1, Tables).Select(i => $"t{i}")];
        await DumpAsync(In("all.dump"));
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        Directory.Delete(_directory, recursive: true);
        await _database.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Benchmark(Baseline = true, Description = "pg_dump -Fc -s alone")]
    public Task PgDump() => DumpAsync(In("alone.dump"));

    [Benchmark(Description = "extract, new tree")]
    public Task ExtractNew() => _extractor.From(_database.DataSource).RunAsync(In($"new{_run++}"));

    [Benchmark(Description = "extract, unchanged tree")]
    public Task ExtractUnchanged() => _extractor.From(_database.DataSource).RunAsync(In("warm"));

    [Benchmark(Description = "pg_dump, then one pg_restore per object")]
    public async Task OneRestorePerObject()
    {
        await DumpAsync(In("alone.dump"));
        foreach (var name in _objects)
            await RunAsync("pg_restore", "-s", "-t", name, "-f", In($"{name}.sql"), In("alone.dump"));
    }

    private string In(string name) => Path.Combine(_directory, name);

    private Task<string> DumpAsync(string file) => RunAsync("pg_dump", "-Fc", "-s", "-f", file, "-h", "127.0.0.1",
        "-p", _cluster.Port.ToString(CultureInfo.InvariantCulture), "-U", "postgres", _database.Name);

    private Task<string> RunAsync(string program, params string[] arguments) =>
        ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = _cluster.Installation.Program(program), Arguments = arguments });
}
