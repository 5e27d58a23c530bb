namespace OmniPg.Extractor.Tests.Extraction;

/// <summary>Where every type text of pg_dump 13 to 15 goes: the table of the documentation, compared with a real dump.</summary>
public sealed class FolderOfEveryKindTests(AllKindsDatabase database) : IClassFixture<AllKindsDatabase>
{
    private static readonly Dictionary<string, string[]> Folders = new(StringComparer.Ordinal)
    {
        ["SCHEMA"] = ["schemata"],
        ["EXTENSION"] = ["extensions"],
        ["TABLE"] = ["tables"],
        ["FOREIGN TABLE"] = ["tables"],
        ["TABLE ATTACH"] = ["tables"],
        ["VIEW"] = ["views"],
        ["MATERIALIZED VIEW"] = ["views"],
        ["SEQUENCE"] = ["sequences", "tables"],
        ["SEQUENCE OWNED BY"] = ["tables"],
        ["SEQUENCE SET"] = ["sequences", "tables"],
        ["DEFAULT"] = ["tables", "views"],
        ["CONSTRAINT"] = ["tables"],
        ["FK CONSTRAINT"] = ["tables"],
        ["CHECK CONSTRAINT"] = ["tables", "types"],
        ["INDEX"] = ["tables", "views"],
        ["INDEX ATTACH"] = ["tables"],
        ["STATISTICS"] = ["tables"],
        ["TRIGGER"] = ["tables"],
        ["RULE"] = ["tables", "views"],
        ["POLICY"] = ["tables"],
        ["ROW SECURITY"] = ["tables"],
        ["FUNCTION"] = ["functions"],
        ["PROCEDURE"] = ["procedures"],
        ["AGGREGATE"] = ["aggregates"],
        ["TYPE"] = ["types"],
        ["SHELL TYPE"] = ["types"],
        ["DOMAIN"] = ["types"],
        ["COLLATION"] = ["collations"],
        ["CONVERSION"] = ["conversions"],
        ["OPERATOR"] = ["operators"],
        ["OPERATOR FAMILY"] = ["operator_families"],
        ["OPERATOR CLASS"] = ["operator_classes"],
        ["TEXT SEARCH PARSER"] = ["text_search/parsers"],
        ["TEXT SEARCH TEMPLATE"] = ["text_search/templates"],
        ["TEXT SEARCH DICTIONARY"] = ["text_search/dictionaries"],
        ["TEXT SEARCH CONFIGURATION"] = ["text_search/configurations"],
        ["CAST"] = ["casts"],
        ["TRANSFORM"] = ["transforms"],
        ["PROCEDURAL LANGUAGE"] = ["languages"],
        ["ACCESS METHOD"] = ["access_methods"],
        ["FOREIGN DATA WRAPPER"] = ["foreign_data_wrappers"],
        ["SERVER"] = ["servers"],
        ["USER MAPPING"] = ["user_mappings"],
        ["EVENT TRIGGER"] = ["event_triggers"],
        ["PUBLICATION"] = ["publications"],
        ["PUBLICATION TABLE"] = ["publications"],
        ["PUBLICATION TABLES IN SCHEMA"] = ["publications"],
        ["SUBSCRIPTION"] = ["subscriptions"],
        ["DEFAULT ACL"] = ["default_privileges"],
        ["TABLE DATA"] = ["data"],
        ["MATERIALIZED VIEW DATA"] = ["views"],
        ["BLOB"] = ["large_objects"],
        ["BLOB METADATA"] = ["large_objects"],
        ["BLOBS"] = ["data"],
        ["DATABASE"] = [""],
        ["DATABASE PROPERTIES"] = [""],
    };

    private static readonly string[] SincePostgres15 = ["PUBLICATION TABLES IN SCHEMA"];

    [Fact]
    public async Task Every_type_of_entry_is_in_the_fixture_and_in_its_folder_and_nowhere_else()
    {
        using var work = new ExtractionCase();
        await database.Database.ExecuteAsync($"ALTER DATABASE {PgIdentifier.Create(database.Name).Quoted} SET work_mem = '8MB'", TestContext.Current.CancellationToken);

        await work.ExtractAsync(database.Database.DataSource, "tree", o => o.Data = new DataOptions { IncludeLargeObjects = true });

        var entries = (await work.Tree("tree").ReadAsync(TestContext.Current.CancellationToken)).Entries;
        var own = entries.Where(static e => e.Desc is not ("ACL" or "COMMENT" or "SECURITY LABEL")).ToList();
        own.Where(e => !Folders.TryGetValue(e.Desc, out var folders) || !folders.Contains(FolderOf(e))).Select(static e => $"{e.Key} in {e.File}").Should().BeEmpty();
        var expected = Folders.Keys.Except(database.Cluster.MajorVersion >= 15 ? [] : SincePostgres15).Except([database.Cluster.MajorVersion >= 17 ? "BLOB" : "BLOB METADATA"]);
        own.Select(static e => e.Desc).Distinct().Should().BeEquivalentTo(expected);
    }

    [Fact]
    public async Task Comments_and_grants_are_in_the_file_of_their_object_or_among_the_grants()
    {
        var snapshot = await new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }).From(database.Database.DataSource).ToSnapshotAsync(cancellationToken: TestContext.Current.CancellationToken);

        var homes = snapshot.Entries.Where(static e => e.Desc is not ("ACL" or "COMMENT" or "SECURITY LABEL")).Select(static e => e.File).ToHashSet(StringComparer.Ordinal);
        var elsewhere = snapshot.Entries.Where(e => !homes.Contains(e.File)).Select(static e => $"{e.Desc} in {FolderOf(e)}").Distinct();

        elsewhere.Should().BeEquivalentTo("ACL in grants", "ACL in schemata");
    }

    private static string FolderOf(SchemaEntry entry) => entry.File.LastIndexOf('/') is >= 0 and var end ? entry.File[..end] : "";
}
