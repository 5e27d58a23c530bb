using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>How long does a comparison of two schemas of 10,000 objects take, once they are read?</summary>
[SimpleJob(RunStrategy.Monitoring, launchCount: 1, warmupCount: 2, iterationCount: 10)]
[MemoryDiagnoser]
public class DiffBenchmarks
{
    private SchemaSnapshot _left = null!;
    private SchemaSnapshot _right = null!;

    [Params(0, 100)]
    public int ChangedObjects { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _left = Snapshot(0);
        _right = Snapshot(ChangedObjects);
    }

    [Benchmark]
    public int Diff() => SchemaDiff.Between(_left, _right).Objects.Count;

    private static SchemaSnapshot Snapshot(int changed) => new()
    {
        Environment = new SchemaEnvironment("15.18", "15.18", "1.14", "UTF8", new Dictionary<string, string>()),
        Entries = [.. Enumerable.Range(0, 10_000).Select(i => Entry(i, i < changed))],
    };

    private static SchemaEntry Entry(int number, bool changed)
    {
        var columns = string.Concat(Enumerable.Range(0, 20).Select(c => $"    column_{c} text{(changed && c == 7 ? " NOT NULL" : "")},\n"));
        var sql = $"--\n-- Name: t{number}; Type: TABLE; Schema: app; Owner: joe\n--\n\nCREATE TABLE app.t{number} (\n{columns}    id integer\n);\n\n\nALTER TABLE app.t{number} OWNER TO joe;";
        return new SchemaEntry
        {
            SchemaObject = new SchemaObjectId("TABLE", "app", $"t{number}"), Key = $"TABLE app.t{number}", Desc = "TABLE", Namespace = "app", Tag = $"t{number}",
            Owner = "joe", Section = TocSection.PreData, File = $"tables/app.t{number}.sql", Sql = sql, Sha256 = changed ? $"x{number}" : $"{number}",
        };
    }
}
