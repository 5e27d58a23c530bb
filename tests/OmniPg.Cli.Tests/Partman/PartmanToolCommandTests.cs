using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Partman;

/// <summary>Commands for sets that are there: another interval, their definition, duplicates, cold partitions.</summary>
public sealed class PartmanToolCommandTests(PgClusterFixture server)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task<CliRunner> CreateAsync(string columns = "id bigint PRIMARY KEY, note text")
    {
        var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync($"CREATE TABLE events ({columns}) PARTITION BY RANGE (id)", Token);
        (await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "2")).ExitCode.Should().Be(0);
        await cli.Database.ExecuteAsync("INSERT INTO events (id, note) SELECT n, 'n' || n / 2 FROM generate_series(1, 25) n", Token);
        return cli;
    }

    [Fact]
    public async Task A_set_gets_another_interval()
    {
        await using var cli = await CreateAsync();
        string[] verb = ["partman", "repartition", "events", "--interval", "20"];

        var plan = await cli.RunAsync([.. verb, "--rewrite", "--plan"]);
        var done = await cli.RunAsync([.. verb, "--rewrite"]);
        var again = await cli.RunAsync([.. verb, "--json"]);
        var abort = await cli.RunAsync("partman", "repartition", "events", "--abort");
        var missing = await cli.RunAsync("partman", "repartition", "events");
        var both = await cli.RunAsync([.. verb, "--abort"]);

        plan.Output.Should().Contain("-- change-interval: New partitions of 'public.events' are '20' long.").And.Contain("-- swap-partitions: ").And.Contain("--   not SQL: copy the rows 10000 at a time");
        done.Should().Be(new CliResult(0, "'public.events' has an interval of '20'; 3 partitions became 2, with 25 rows\n", ""));
        JsonDocument.Parse(again.Output).RootElement.GetProperty("groups").GetArrayLength().Should().Be(0);
        abort.Should().Be(new CliResult(0, "No repartitioning of 'public.events' left anything\n", ""));
        missing.Should().Be(new CliResult(64, "", "omnipg: --interval is missing.\n"));
        both.Should().Be(new CliResult(64, "", "omnipg: --abort goes with no other option.\n"));
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM events", Token)).Should().Be(25);
    }

    [Fact]
    public async Task What_is_exported_can_be_applied()
    {
        using var folder = new TemporaryDirectory();
        await using var cli = await CreateAsync();
        var file = Path.Combine(folder.Path, "sets.json");

        var json = await cli.RunAsync("partman", "export", "events");
        await File.WriteAllTextAsync(file, json.Output, Token);
        var applied = await cli.RunAsync("partman", "apply", file);
        var sql = await cli.RunAsync("partman", "export", "events", "--format", "sql");
        var code = await cli.RunAsync("partman", "export", "events", "--format", "csharp");
        var wrong = await cli.RunAsync("partman", "export", "events", "--format", "xml");

        json.ExitCode.Should().Be(0, json.Error);
        applied.Should().Be(new CliResult(0, "public.events\tunchanged\t\n", ""));
        sql.Output.Should().StartWith("SELECT \"partman\".create_parent(p_parent_table := 'public.events', p_control := 'id', p_interval := '10', ");
        code.Output.Should().StartWith("await partman.CreateAsync(QualifiedName.Parse(\"public.events\"), new PartitionSetOptions\n{\n    Control = \"id\",\n");
        wrong.Should().Be(new CliResult(64, "", "omnipg: --format 'xml' is none of sql, csharp, json.\n"));
    }

    [Fact]
    public async Task Duplicates_end_with_1()
    {
        await using var cli = await CreateAsync("id bigint NOT NULL, note text");

        var none = await cli.RunAsync("partman", "duplicates", "events", "--columns", "id");
        var some = await cli.RunAsync("partman", "duplicates", "events", "--columns", "note");
        var json = await cli.RunAsync("partman", "duplicates", "events", "--columns", "note,", "--json");
        var wrong = await cli.RunAsync("partman", "duplicates", "events", "--columns", "nothere");
        var empty = await cli.RunAsync("partman", "duplicates", "events", "--columns", ",");

        none.Should().Be(new CliResult(0, "", ""));
        some.ExitCode.Should().Be(1);
        some.Output.Should().StartWith("n1\t2\tpublic.events_p0\nn10\t2\tpublic.events_p20\n");
        JsonDocument.Parse(json.Output).RootElement.GetProperty("keys").GetInt64().Should().Be(12);
        wrong.ExitCode.Should().Be(2);
        wrong.Error.Should().Contain("There is no column 'nothere'.");
        empty.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task Cold_partitions_are_frozen_and_constrained()
    {
        await using var cli = await CreateAsync();
        for (var i = 0; i < 4; i++)
            await cli.Database.ExecuteAsync("UPDATE events SET note = note WHERE id = 25", Token);

        var plan = await cli.RunAsync("partman", "freeze", "events", "--minimum-age", "1", "--plan");
        var frozen = await cli.RunAsync("partman", "freeze", "events", "--minimum-age", "1", "--json");
        var young = await cli.RunAsync("partman", "freeze", "events");
        var constrained = await cli.RunAsync("partman", "constraints", "events", "--columns", "note", "--distance", "1");
        var planned = await cli.RunAsync("partman", "constraints", "events", "--columns", "note", "--distance", "1", "--plan");
        var dropped = await cli.RunAsync("partman", "constraints", "events", "--drop", "--json");
        var none = await cli.RunAsync("partman", "constraints", "events");
        var both = await cli.RunAsync("partman", "constraints", "events", "--drop", "--plan");

        plan.Output.Should().Contain("VACUUM (FREEZE, SKIP_LOCKED) \"public\".\"events_p0\";");
        JsonDocument.Parse(frozen.Output).RootElement.EnumerateArray().Select(f => $"{f.GetProperty("partition").GetString()} {f.GetProperty("outcome").GetString()}").Should().Equal("public.events_p0 frozen", "public.events_p10 frozen");
        young.Should().Be(new CliResult(0, "", ""));
        constrained.Should().Be(new CliResult(0, "public.events_p0\tnote\tadded\npublic.events_p10\tnote\tadded\n", ""));
        planned.Should().Be(new CliResult(0, "", ""));
        JsonDocument.Parse(dropped.Output).RootElement.GetArrayLength().Should().Be(2);
        none.Error.Should().Contain("No column is named, and none in the configuration ('constraint_cols').");
        both.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task A_list_without_a_table_says_where_the_sets_are_listed()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        (await cli.RunAsync("partman", "list")).Should().Be(new CliResult(64, "", "omnipg: TABLE is missing: 'omnipg partman sets' lists the sets, 'omnipg partman list TABLE' the partitions of one.\n"));
    }

    [Theory]
    [InlineData("100", "100", "legacy", "FOR VALUES FROM (MINVALUE) TO ('200')")]
    public async Task A_table_that_becomes_a_partition_ends_behind_the_window(string interval, string window, string strategy, string bound)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 9)", Token);
        string[] verb = ["partman", "convert", "orders", "--control", "id", "--interval", interval, "--premake", "1", "--strategy", strategy];

        var soon = await cli.RunAsync([.. verb, "--safety-window", "soon"]);
        var wrong = await cli.RunAsync("partman", "convert", "orders", "--control", "id", "--interval", interval, "--safety-window", window);
        var done = await cli.RunAsync([.. verb, "--safety-window", window]);

        soon.Should().Be(new CliResult(64, "", "omnipg: --safety-window 'soon' is no number, and the interval counts ids.\n"));
        wrong.ExitCode.Should().Be(64);
        done.ExitCode.Should().Be(0, done.Error);
        (await cli.Database.ScalarAsync<string>("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'orders_legacy'", Token)).Should().Be(bound);
    }
}
