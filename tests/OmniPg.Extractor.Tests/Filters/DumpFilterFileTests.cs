using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Filters;

public sealed class DumpFilterFileTests(PgClusterFixture fixture) : IAsyncLifetime
{
    private readonly ExtractionCase _work = new();
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await fixture.Cluster.CreateDatabaseAsync();
        await _database.ExecuteAsync("""
            CREATE SCHEMA app; CREATE SCHEMA "Other";
            CREATE TABLE app.events (at date, inherits integer) PARTITION BY RANGE (at);
            CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY RANGE (at);
            CREATE TABLE "Other".first_half PARTITION OF app.events_2025 FOR VALUES FROM ('2025-01-01') TO ('2025-07-01');
            CREATE TABLE app.base (id integer); CREATE TABLE app.second (x text);
            CREATE TABLE app.heir () INHERITS (app.base, app.second); CREATE TABLE app.grandchild () INHERITS (app.heir);
            CREATE TABLE app."two
            lines # here" (id integer);
            CREATE EXTENSION hstore; CREATE EXTENSION pgcrypto;
            INSERT INTO app.base VALUES (1); INSERT INTO app.grandchild VALUES (2, 'x'); INSERT INTO app.events VALUES ('2025-02-02', 1);
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _work.Dispose();
    }

    [Theory]
    [InlineData("include table app.heir", "app.heir")]
    [InlineData("include table_and_children app.base", "app.base app.grandchild app.heir")]
    [InlineData("include table_and_children second", "app.grandchild app.heir app.second")]
    [InlineData("include table_and_children app.events # all \"of them", "Other.first_half app.events app.events_2025")]
    [InlineData("exclude table_and_children app.events\nexclude table_and_children app.base", "app.second app.two,0a,lines,20,,23,,20,here")]
    [InlineData("include table \"Other\" . first*", "Other.first_half")]
    [InlineData("include table app.\"two\nlines # here\" # and no more\ninclude table app.second", "app.second app.two,0a,lines,20,,23,,20,here")]
    public async Task Tables_are_chosen_as_by_pg_dump(string rules, string expected)
    {
        var report = await ExtractAsync(rules, options => options.Kinds = ObjectKinds.Tables);

        Names(report, "tables/").Should().Equal(expected.Split(' '));
        report.UnmatchedFilters.Should().BeEmpty();
    }

    [Theory]
    [InlineData("exclude table_data app.base", "Other.first_half app.grandchild app.heir app.second app.two,0a,lines,20,,23,,20,here")]
    [InlineData("exclude table_data_and_children app.base\nexclude table_data_and_children app.events", "app.second app.two,0a,lines,20,,23,,20,here")]
    public async Task Rows_are_left_out_and_definitions_stay(string rules, string expected)
    {
        var report = await ExtractAsync(rules, options => (options.Kinds, options.Data) = (ObjectKinds.Tables, new DataOptions()));

        Names(report, "data/").Should().Equal(expected.Split(' '));
        Names(report, "tables/").Should().HaveCount(8).And.Contain("app.base");
        (await _work.Tree("tree").DiffAsync(_database.DataSource, cancellationToken: TestContext.Current.CancellationToken)).IsEmpty.Should().BeTrue();
    }

    [Theory]
    [InlineData("include extension h*", "hstore")]
    [InlineData("exclude extension hstore", "pgcrypto")]
    public async Task Extensions_are_chosen_by_pattern(string rules, string expected)
    {
        var report = await ExtractAsync(rules);

        Names(report, "extensions/").Should().Equal(expected);
        Names(report, "tables/").Should().Contain("app.base");
    }

    [Fact]
    public async Task Rows_of_foreign_tables_come_from_the_included_servers()
    {
        await _database.ExecuteAsync($"""
            CREATE EXTENSION postgres_fdw;
            CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{fixture.Cluster.Port}', dbname '{_database.Name}');
            CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'postgres');
            CREATE FOREIGN TABLE app.far (id integer) SERVER loop OPTIONS (schema_name 'app', table_name 'base');
            """, TestContext.Current.CancellationToken);

        await ExtractAsync("include foreign_data lo*\ninclude table app.far", options => options.Data = new DataOptions());
        var none = () => ExtractAsync("include foreign_data nobody", options => options.Data = new DataOptions());

        File.ReadAllText(_work.Path("tree/data/app.far.sql")).Should().EndWith("COPY app.far (id) FROM stdin;\n1\n2\n\\.\n");
        (await none.Should().ThrowAsync<PgDumpFailedException>()).Which.StderrTail.Should().Contain("no matching foreign servers were found for pattern \"nobody\"");
    }

    [Fact]
    public async Task Filter_on_what_is_not_extracted_is_refused()
    {
        var rows = () => ExtractAsync("exclude table_data app.base");
        var servers = () => ExtractAsync("include foreign_data s");
        var extensions = () => ExtractAsync("include extension hstore", options => options.Kinds = ObjectKinds.Tables);

        (await rows.Should().ThrowAsync<OptionsValidationException>()).WithMessage("There is a filter on rows, but rows are not extracted.");
        (await servers.Should().ThrowAsync<OptionsValidationException>()).WithMessage("There is a filter on foreign servers, but rows are not extracted.");
        (await extensions.Should().ThrowAsync<OptionsValidationException>()).WithMessage("There is a filter on extensions, but extensions are not extracted.");
    }

    [Theory]
    [InlineData("\n# fine\n\ninclude tables x", "Line 4 of the filter file '*' is not understood: 'include tables x'.*")]
    [InlineData("include table \"a\nb\"\nonly table x", "Line 3 of the filter file '*' is not understood: 'only table x'.*")]
    [InlineData("include table", "Line 1 of the filter file '*' is not understood: 'include table'.*")]
    [InlineData("include table \"open\nmore", "Line 1 of the filter file '*' is not understood: 'include table \"open\nmore'.*")]
    [InlineData("include table s.t1 junk", "Line 1 of the filter file '*' is not understood: 'include table s.t1 junk'.*")]
    [InlineData("exclude schema a b", "Line 1 of the filter file '*' is not understood: 'exclude schema a b'.*")]
    [InlineData("include table_data x", "Line 1 of the filter file '*' cannot be: 'include' is not allowed for 'table_data'.*")]
    [InlineData("exclude foreign_data x", "Line 1 of the filter file '*' cannot be: 'exclude' is not allowed for 'foreign_data'.*")]
    public void Wrong_line_is_named(string rules, string message)
    {
        File.WriteAllText(_work.Path("rules"), rules);

        var act = () => new ExtractionFilter().AddFilterFile(_work.Path("rules"));

        act.Should().Throw<ExtractorOptionException>().WithMessage(message);
    }

    private Task<ExtractionResult> ExtractAsync(string rules, Action<ExtractionOptions>? configure = null)
    {
        File.WriteAllText(_work.Path("rules"), rules);
        return _work.ExtractAsync(_database.DataSource, "tree", options =>
        {
            configure?.Invoke(options);
            options.StaleFiles = StaleFiles.Delete;
            options.Filter.AddFilterFile(_work.Path("rules"));
        });
    }

    private static IEnumerable<string> Names(ExtractionResult report, string folder) => report.Files
        .Where(file => file.Status != FileStatus.Deleted && file.Path.StartsWith(folder, StringComparison.Ordinal)).Select(file => file.Path[folder.Length..^".sql".Length]);
}
