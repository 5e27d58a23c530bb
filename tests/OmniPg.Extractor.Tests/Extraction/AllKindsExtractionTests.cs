using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class AllKindsExtractionTests(AllKindsDatabase database) : IClassFixture<AllKindsDatabase>
{
    [Fact]
    public async Task Every_entry_is_found_in_exactly_one_file()
    {
        using var work = new ExtractionCase();

        var report = await work.ExtractAsync(database.Database.DataSource, "tree");

        report.Account.IsClosed.Should().BeTrue();
        report.Account.Consumed.Should().Be(3);
        report.Account.Unknown.Should().Be(0);
        report.Account.Filtered.Should().Be(0);
        var snapshot = await work.Extractor.OpenTree(work.Path("tree")).ReadAsync(TestContext.Current.CancellationToken);
        snapshot.Warnings.Should().BeEmpty();
        snapshot.Entries.Should().HaveCount(report.Account.InFiles).And.OnlyHaveUniqueItems(entry => entry.Key);
        snapshot.Entries.Should().NotContain(entry => entry.IsEdited);
        snapshot.Entries.Select(entry => (entry.File, entry.Ordinal)).Should().OnlyHaveUniqueItems();
    }

    [Theory]
    [InlineData("INDEX app.orders_note_idx", "tables/app.orders.sql")]
    [InlineData("SEQUENCE app.orders_id_seq", "tables/app.orders.sql")]
    [InlineData("SEQUENCE OWNED BY app.owned_by_hand", "tables/app.customers.sql")]
    [InlineData("SEQUENCE app.customers_id_seq", "tables/app.customers.sql")]
    [InlineData("SEQUENCE app.ticket_number", "sequences/app.ticket_number.sql")]
    [InlineData("TABLE ATTACH app.events_2024_a", "tables/app.events_2024_a.sql")]
    [InlineData("TABLE ATTACH archive.events_2023", "tables/archive.events_2023.sql")]
    [InlineData("TRIGGER app.orders touch_second", "tables/app.orders.sql")]
    [InlineData("POLICY app.orders write some", "tables/app.orders.sql")]
    [InlineData("RULE app.circular _RETURN", "views/app.circular.sql")]
    [InlineData("DEFAULT app.active_customers name", "views/app.active_customers.sql")]
    [InlineData("CHECK CONSTRAINT app.positive below_million", "types/app.positive.sql")]
    [InlineData("COMMENT app.CONSTRAINT above_zero ON DOMAIN positive", "types/app.positive.sql")]
    [InlineData("SHELL TYPE app.hexint", "types/app.hexint.sql")]
    [InlineData("INDEX app.order_totals_idx", "views/app.order_totals.sql")]
    [InlineData("STATISTICS app.orders_stats", "tables/app.orders.sql")]
    [InlineData("FUNCTION app.add(numeric[])", "functions/app.add.sql")]
    [InlineData("ACL app.FUNCTION add(a integer, b integer)", "functions/app.add.sql")]
    [InlineData("AGGREGATE app.sum_of(integer)", "aggregates/app.sum_of.sql")]
    [InlineData("PROCEDURE app.purge(integer)", "procedures/app.purge.sql")]
    [InlineData("CAST CAST (app.hexint AS integer)", "casts/app,2e,hexint_as_integer.sql")]
    [InlineData("PUBLICATION TABLE app.some_tables customers", "publications/some_tables.sql")]
    [InlineData("USER MAPPING USER MAPPING ak_reader SERVER remote", "user_mappings/ak_reader_remote.sql")]
    [InlineData("ACL SCHEMA public", "schemata/public.sql")]
    [InlineData("ACL pg_catalog.FUNCTION pg_sleep(double precision)", "grants/pg_catalog.FUNCTION,20,pg_sleep,28,double,20,precision,29,.sql")]
    [InlineData("TABLE Mixed Case.Odd \"Table\" / name", "tables/Mixed,20,Case.Odd,20,,22,Table,22,,20,,2f,,20,name.sql")]
    [InlineData("COMMENT EVENT TRIGGER watch_ddl", "event_triggers/watch_ddl.sql")]
    public async Task Entry_is_in_the_file_of_its_object(string key, string file)
    {
        var snapshot = await new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }).From(database.Database.DataSource).ToSnapshotAsync(cancellationToken: TestContext.Current.CancellationToken);

        snapshot.Entries.Should().ContainSingle(entry => entry.Key == key).Which.File.Should().Be(file);
    }

    [Fact]
    public async Task Case_twins_get_different_files_on_every_file_system()
    {
        using var work = new ExtractionCase();

        var report = await work.ExtractAsync(database.Database.DataSource, "tree");

        report.Files.Select(file => file.Path.ToLowerInvariant()).Should().OnlyHaveUniqueItems();
        report.Files.Count(file => file.Path.Contains(".twin", StringComparison.OrdinalIgnoreCase)).Should().Be(2);
    }

    [Fact]
    public async Task Second_run_touches_nothing()
    {
        using var work = new ExtractionCase();
        await work.ExtractAsync(database.Database.DataSource, "tree");
        var before = work.Times("tree");

        var report = await work.ExtractAsync(database.Database.DataSource, "tree", o => o.MaxDegreeOfParallelism = 1);

        report.Changed.Should().BeEmpty();
        report.Files.Should().OnlyContain(file => file.Status == FileStatus.Unchanged);
        work.Times("tree").Should().Equal(before);
    }

    [Fact]
    public async Task Second_run_writes_nothing_at_all()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The proof is the time of the last change of each inode.");
        using var work = new ExtractionCase();
        await work.ExtractAsync(database.Database.DataSource, "tree", o => o.Data = new DataOptions());
        // ctime moves with every write, rename, chmod and link, of directories too, and no program can set it back.
        Task<byte[]> InodesAsync() => PgTools.RunAsync("find", [work.Path("tree"), "-printf", "%p %i %T@ %C@\n"]);
        var before = await InodesAsync();

        await work.ExtractAsync(database.Database.DataSource, "tree");
        (await InodesAsync()).Should().NotEqual(before, "without its rows it is another tree");
        await work.ExtractAsync(database.Database.DataSource, "tree", o => o.Data = null);
        before = await InodesAsync();
        await work.ExtractAsync(database.Database.DataSource, "tree", o => o.MaxDegreeOfParallelism = 3);

        (await InodesAsync()).Should().Equal(before);
    }

    [Fact]
    public async Task No_secret_of_the_database_is_written_anywhere()
    {
        using var work = new ExtractionCase();
        using var log = new FakeLoggerFactory();
        using var activities = new ActivityRecorder("OmniPg.Extractor");

        await new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }, loggerFactory: log).From(database.Database.DataSource)
            .RunAsync(work.Path("tree"), new ExtractionOptions { Roles = true, Data = new DataOptions() }, cancellationToken: TestContext.Current.CancellationToken);

        string[] secrets = ["hunter2-secret", "s secret", "subscription-secret", "SCRAM-SHA-256"];
        string.Concat(work.Content("tree").Values).Should().NotContainAny(secrets);
        log.Lines.Should().NotBeEmpty();
        string.Concat(log.Lines.Select(static line => line.Message + line.Exception)).Should().NotContainAny(secrets);
        activities.Ended.Should().NotBeEmpty();
        string.Concat(activities.Ended.SelectMany(static a => a.TagObjects).Select(static tag => $"{tag.Key}={tag.Value} ")).Should().NotContainAny(secrets);
        var snapshot = await work.Extractor.OpenTree(work.Path("tree")).ReadAsync(TestContext.Current.CancellationToken);
        snapshot.Entries.Where(entry => entry.IsRedacted).Select(entry => entry.SchemaObject.Kind).Should()
            .Equal("USER MAPPING", "USER MAPPING", "SUBSCRIPTION");
    }

    [Fact]
    public async Task Secrets_are_written_on_demand()
    {
        using var work = new ExtractionCase();

        await work.ExtractAsync(database.Database.DataSource, "tree", o => o.IncludeSecrets = true);

        string.Concat(work.Content("tree").Values).Should().ContainAll("password 'hunter2-secret'", "password 'public''s secret'", "password=subscription-secret");
    }

    [Fact]
    public async Task Manifest_records_versions_of_server_and_extensions()
    {
        using var work = new ExtractionCase();

        var report = await work.ExtractAsync(database.Database.DataSource, "tree");

        var server = await database.Database.ScalarAsync<string>("SHOW server_version", TestContext.Current.CancellationToken);
        report.Environment.Server.Should().Be(server!.Split(' ')[0]);
        report.Environment.Extensions.Keys.Should().BeEquivalentTo("hstore", "pgcrypto", "plpgsql", "postgres_fdw");
        var hstore = await database.Database.ScalarAsync<string>("SELECT extversion FROM pg_extension WHERE extname = 'hstore'", TestContext.Current.CancellationToken);
        File.ReadAllText(work.Path("tree/omnipg.manifest.json")).Should().Contain($"\"extensions\": {{\"hstore\":\"{hstore}\"");
    }

    [Theory]
    [InlineData(LayoutPreset.Ssdt, "app/Tables/orders.sql")]
    [InlineData(LayoutPreset.PerSchema, "app.sql")]
    [InlineData(LayoutPreset.PerObjectType, "tables.sql")]
    [InlineData(LayoutPreset.Flat, "tables.app.orders.sql")]
    public async Task Every_preset_keeps_all_entries(LayoutPreset preset, string file)
    {
        using var work = new ExtractionCase();

        var report = await work.ExtractAsync(database.Database.DataSource, "tree", o => o.Layout.Preset = preset);

        var snapshot = await work.Extractor.OpenTree(work.Path("tree")).ReadAsync(TestContext.Current.CancellationToken);
        snapshot.Entries.Should().HaveCount(report.Account.InFiles).And.NotContain(entry => entry.IsEdited);
        report.Files.Should().Contain(f => f.Path == file);
    }

    [Fact]
    public async Task Schema_directories_hold_the_folders_of_the_kinds()
    {
        using var work = new ExtractionCase();

        var report = await work.ExtractAsync(database.Database.DataSource, "tree", o =>
        {
            o.Layout.SchemaDirectories = true;
            o.Layout.HostDirectory = "db-1";
            o.Layout.DatabaseDirectory = null;
            o.Copies = FileCopies.OwnedSequences | FileCopies.Rules | FileCopies.Triggers;
        });

        report.Directory.Should().Be(work.Path($"tree/db,2d,1/{database.Name}"));
        report.Files.Select(f => f.Path).Should().Contain(["app/app.sql", "app/tables/app.orders.sql", "extensions/hstore.sql",
            "app/triggers/app.orders.touch_first.sql", "app/triggers/app.orders.touch_second.sql", "app/rules/app.orders.orders_protect.sql",
            "app/sequences/app.orders_id_seq.sql", "app/tables/app.events_2024.sql"]);
        var snapshot = await work.Extractor.OpenTree(report.Directory).ReadAsync(TestContext.Current.CancellationToken);
        snapshot.Warnings.Should().BeEmpty();
        snapshot.Entries.Should().HaveCount(report.Account.InFiles);
    }

    [Fact]
    public async Task Partitions_can_go_into_the_file_of_their_table_or_be_left_out()
    {
        using var work = new ExtractionCase();

        var folded = await work.ExtractAsync(database.Database.DataSource, "folded", o => o.Partitions = PartitionFiles.WithParent);
        var without = await work.ExtractAsync(database.Database.DataSource, "without", o => o.Partitions = PartitionFiles.LeaveOut);

        folded.Files.Should().NotContain(f => f.Path.StartsWith("tables/app.events_2024") || f.Path.StartsWith("tables/archive."));
        File.ReadAllText(work.Path("folded/tables/app.events.sql")).Should().Contain("CREATE TABLE archive.events_2023");
        without.Account.Filtered.Should().BeGreaterThan(0);
        string.Concat(work.Content("without").Values).Should().NotContain("CREATE TABLE archive.events_2023");
    }
}
