using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Mimeo;

/// <summary>What is looked at and not changed: plans of set-ups, sizes of snapshots; and the history of a logdel.</summary>
public sealed class MimeoPlanTests(PgClusterFixture server)
{
    [Fact]
    public async Task A_set_up_is_explained_and_nothing_is_made()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = $"puller_{Path.GetRandomFileName()[..6]}";
        await source.ExecuteAsync($"CREATE TABLE orders (id int PRIMARY KEY, t text); CREATE ROLE {role} LOGIN; GRANT SELECT, TRIGGER ON orders TO {role}", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", server.Cluster.GetConnectionString(source.Name, role));
        string[] create = ["mimeo", "create", "dml", "orders", "--from", "erp", "--explain"];

        var missing = await cli.RunAsync(create);
        await source.ExecuteAsync($"CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role}", TestContext.Current.CancellationToken);
        var whole = await cli.RunAsync(create);
        var json = JsonDocument.Parse((await cli.RunAsync([.. create, "--json"])).Output).RootElement.EnumerateArray().Single();
        var many = await cli.RunAsync("mimeo", "create", "table", "public.*", "--from", "erp", "--explain", "--no-data");
        var both = await cli.RunAsync([.. create, "--check"]);

        (missing.ExitCode, missing.Error).Should().Be((1, ""));
        missing.Output.Should().StartWith($"-- missing at source erp: CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role};\n-- on server erp\nBEGIN;\n-- queue: The keys of changed rows have to be collected for this destination.\nCREATE SCHEMA IF NOT EXISTS \"omnipg_mimeo\";\n");
        (whole.ExitCode, whole.Error).Should().Be((0, ""));
        whole.Output.Should().StartWith("-- on server erp\nBEGIN;\n-- queue: The keys of changed rows have to be collected for this destination.\nCREATE TABLE \"omnipg_mimeo\".\"public_orders_q\" (\"id\" integer, processed boolean);\n")
            .And.Contain("--   locks public.orders in SHARE ROW EXCLUSIVE mode\nCREATE TRIGGER \"public_orders_mimeo_trig\"").And.Contain("\n-- on server destination\nBEGIN;\n-- table: It holds the rows.\nCREATE TABLE \"public\".\"orders\" (\"id\" integer, \"t\" text);\nCOMMIT;\n")
            .And.Contain("\n--   not SQL: COPY \"public\".\"orders\" (\"id\", \"t\") FROM STDIN (FORMAT binary, FREEZE)\n");
        (json.GetProperty("destination").GetString(), json.GetProperty("streams").GetInt32(), json.GetProperty("missing").GetArrayLength()).Should().Be(("public.orders", 1, 0));
        json.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("kind").GetString()).Distinct().Should().Equal("queue", "table", "copy", "index", "analyze", "configure");
        many.Output.Should().StartWith("-- on server destination\nBEGIN;\n-- table: ");
        both.Should().Be(new CliResult(64, "", "omnipg: --check and --explain contradict each other.\n"));
        (await source.ScalarAsync<long>("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal", TestContext.Current.CancellationToken)).Should().Be(0);
        (await cli.RunAsync("mimeo", "list")).Output.Should().BeEmpty();
    }

    [Fact]
    public async Task A_refresh_is_explained_as_what_is_no_script_and_nothing_is_read()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders VALUES (1, 'x')", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        await cli.RunAsync("mimeo", "create", "table", "orders", "--from", "erp");
        await source.ExecuteAsync("INSERT INTO orders VALUES (2, 'y')", TestContext.Current.CancellationToken);

        var explained = await cli.RunAsync("mimeo", "refresh", "orders", "--explain");
        var two = await cli.RunAsync("mimeo", "refresh", "orders", "nowhere", "--explain");
        var json = JsonDocument.Parse((await cli.RunAsync("mimeo", "refresh", "orders", "--explain", "--keep-readers", "--json")).Output).RootElement.EnumerateArray().Single();
        var group = await cli.RunAsync("mimeo", "refresh", "orders", "--explain", "--group");

        (explained.ExitCode, explained.Error).Should().Be((0, ""));
        explained.Output.Should().StartWith("public.orders\n  destination, empty: The former rows go. Locks public.orders in ACCESS EXCLUSIVE mode.\n      TRUNCATE \"public\".\"orders\"\n  erp, copy: The rows leave the source.\n      COPY (SELECT \"id\", \"t\" FROM ")
            .And.EndWith("  destination, copy: They arrive.\n      COPY \"public\".\"orders\" (\"id\", \"t\") FROM STDIN (FORMAT binary, FREEZE)\n  destination, configure: The scheduler has to know of it.\n      last_run in \"omnipg_mimeo\".refresh_config_table\n");
        (two.ExitCode, two.Output).Should().Be((2, explained.Output));
        two.Error.Should().StartWith("omnipg: public.nowhere: Destination table given in argument (public.nowhere) is not managed by mimeo");
        json.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("sql").GetString()).First().Should().Be("DELETE FROM \"public\".\"orders\"");
        group.Should().Be(new CliResult(64, "", "omnipg: --explain takes no --due, --group or --follow.\n"));
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM orders", TestContext.Current.CancellationToken)).Should().Be(1);
    }

    [Fact]
    public async Task Sources_of_snapshots_are_measured_and_one_that_is_large_is_told_by_the_exit_code()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY) WITH (autovacuum_enabled = off); INSERT INTO orders SELECT generate_series(1, 100); ANALYZE orders; INSERT INTO orders VALUES (101)", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        await cli.RunAsync("mimeo", "create", "snapshot", "orders", "--from", "erp");
        await cli.RunAsync("mimeo", "create", "table", "orders", "--from", "erp", "--to", "other");
        var bytes = await source.ScalarAsync<long>("SELECT pg_total_relation_size('orders')", TestContext.Current.CancellationToken);

        var all = await cli.RunAsync("mimeo", "snapshots");
        var exact = JsonDocument.Parse((await cli.RunAsync("mimeo", "snapshots", "orders", "--exact", "--json")).Output).RootElement.EnumerateArray().Single();
        var large = await cli.RunAsync("mimeo", "snapshots", "--min-rows", "100");
        var small = await cli.RunAsync("mimeo", "snapshots", "--min-rows", "101", "--min-bytes", "1000000000");
        var wrong = await cli.RunAsync("mimeo", "snapshots", "--min-rows", "-1");
        var other = await cli.RunAsync("mimeo", "snapshots", "other", "orders");

        all.Should().Be(new CliResult(0, $"public.orders\terp\tpublic.orders\t100\t{bytes}\n", ""));
        (exact.GetProperty("rows").GetInt64(), exact.GetProperty("bytes").GetInt64()).Should().Be((101, bytes));
        large.Should().Be(new CliResult(1, all.Output, ""));
        small.Should().Be(new CliResult(0, "", ""));
        wrong.Should().Be(new CliResult(64, "", "omnipg: --min-rows and --min-bytes must not be negative.\n"));
        other.ExitCode.Should().Be(2);
        other.Output.Should().Be(all.Output);
    }

    [Fact]
    public async Task Older_images_of_deleted_rows_stay_where_that_is_wanted()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders VALUES (1, 'old')", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);

        var made = await cli.RunAsync("mimeo", "create", "logdel", "orders", "--from", "erp", "--keep-history");
        var nonsense = await cli.RunAsync("mimeo", "create", "dml", "orders", "--from", "erp", "--to", "more", "--keep-history");
        await source.ExecuteAsync("DELETE FROM orders; INSERT INTO orders VALUES (1, 'new')", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "refresh", "orders");

        made.Should().Be(new CliResult(0, "'public.orders' is managed, with 1 rows\n", ""));
        nonsense.Should().Be(new CliResult(64, "", "omnipg: --keep-history means nothing for dml.\n"));
        (await cli.Database.ScalarAsync<string>("SELECT (SELECT string_agg(t, ' ') FROM orders) || ' ' || (SELECT string_agg(t, ' ') FROM orders_deleted)", TestContext.Current.CancellationToken)).Should().Be("new old");
    }
}
