using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Mimeo;

public sealed class MimeoCommandTests(PgClusterFixture server)
{
    [Fact]
    public async Task Tables_are_set_up_refreshed_listed_and_dropped()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 100) i", TestContext.Current.CancellationToken);

        var added = await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        var sources = await cli.RunAsync("mimeo", "source", "list");
        var snapshot = await cli.RunAsync("mimeo", "create", "snapshot", "orders", "--from", "erp", "--where", "id <= 50");
        var inserter = await cli.RunAsync("mimeo", "create", "inserter", "orders", "--from", "erp", "--to", "grown", "--by-serial", "id", "--boundary", "0", "--every", "1 hour");
        await source.ExecuteAsync("INSERT INTO orders SELECT i, 'y' FROM generate_series(101, 110) i", TestContext.Current.CancellationToken);
        var refreshed = JsonDocument.Parse((await cli.RunAsync("mimeo", "refresh", "grown", "--json")).Output).RootElement;
        var repulled = await cli.RunAsync("mimeo", "refresh", "grown", "--repull", "10..20");
        var compared = await cli.RunAsync("mimeo", "validate", "grown", "--between", "10..", "--checksum");
        var noRange = await cli.RunAsync("mimeo", "validate", "grown", "--between", "10");
        var noReload = await cli.RunAsync("mimeo", "refresh", "grown", "--keep-readers");
        var failed = await cli.RunAsync("mimeo", "refresh", "nowhere", "grown");
        var list = JsonDocument.Parse((await cli.RunAsync("mimeo", "list", "--json")).Output).RootElement;
        var busy = await cli.RunAsync("mimeo", "source", "remove", "erp");
        var dropped = await cli.RunAsync("mimeo", "drop", "orders");
        await cli.RunAsync("mimeo", "drop", "grown", "--drop-table");
        var removed = await cli.RunAsync("mimeo", "source", "remove", "erp");

        added.Should().Be(new CliResult(0, "Source 'erp' is known\n", ""));
        sources.Output.Should().Contain($"dbname='{source.Name}'").And.EndWith("\tpostgres\n");
        snapshot.Should().Be(new CliResult(0, "'public.orders' is managed, with 50 rows\n", ""));
        inserter.Should().Be(new CliResult(0, "'public.grown' is managed, with 99 rows\n", ""));
        refreshed.EnumerateArray().Select(r => $"{r.GetProperty("destination")} {r.GetProperty("status")} {r.GetProperty("rows")} {r.GetProperty("lastValue")}").Should().Equal("public.grown Refreshed 10 109");
        compared.Should().Be(new CliResult(0, "'public.grown' is equal to its source: 99 rows here, 99 there\n", ""));
        (noRange.ExitCode, noRange.Error).Should().Be((64, "omnipg: --between '10' is not FROM..TO.\n"));
        noReload.ExitCode.Should().NotBe(0);
        repulled.Output.Should().StartWith("public.grown\tRefreshed\t9\t");
        (failed.ExitCode, failed.Error).Should().Be((2, "omnipg: public.nowhere: Destination table given in argument (public.nowhere) is not managed by mimeo. Hint: List what is managed, or set the table up.\n"));
        failed.Output.Should().StartWith("public.grown\tNothingNew\t0\t");
        list.EnumerateArray().Select(t => $"{t.GetProperty("destination")} {t.GetProperty("kind")} {t.GetProperty("from")} {t.GetProperty("lastValue")} {t.GetProperty("period")}").Should().Equal(
            "public.grown inserter erp 109 01:00:00", "public.orders snapshot erp  ");
        busy.ExitCode.Should().Be(2);
        dropped.Output.Should().Be("'public.orders' is not managed any more; its rows stay\n");
        removed.ExitCode.Should().Be(0);
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM orders", TestContext.Current.CancellationToken)).Should().Be(50);
    }

    [Fact]
    public async Task A_table_without_a_cursor_does_not_keep_the_others_from_their_repull()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 100)", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        await cli.RunAsync("mimeo", "create", "table", "orders", "--from", "erp");
        await cli.RunAsync("mimeo", "create", "inserter", "orders", "--from", "erp", "--to", "grown", "--by-serial", "id", "--boundary", "0");

        var result = await cli.RunAsync("mimeo", "refresh", "orders", "grown", "--repull", "all");

        (result.ExitCode, result.Error).Should().Be((2, "omnipg: public.orders: 'public.orders' has no cursor column to repull by; every refresh of it pulls all rows.\n"));
        result.Output.Should().StartWith("public.grown\tRefreshed\t99\t");
    }

    [Fact]
    public async Task Tables_of_a_file_are_planned_set_up_changed_and_left_alone()
    {
        using var folder = new TemporaryDirectory();
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 100) i", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        var file = Path.Combine(folder.Path, "tables.json");
        async Task<CliResult> ApplyAsync(string json, params string[] more)
        {
            await File.WriteAllTextAsync(file, json, TestContext.Current.CancellationToken);
            return await cli.RunAsync(["mimeo", "apply", file, .. more]);
        }

        const string Tables = """{ "orders": { "kind": "snapshot", "from": "erp" }, "grown": { "kind": "inserter", "from": "erp", "source": "orders", "columns": ["id"], "cursor": { "serial": "id", "boundary": 0 } }, }""";
        var plan = await ApplyAsync(Tables, "--plan");
        var none = await cli.RunAsync("mimeo", "list");
        var made = await ApplyAsync(Tables);
        var again = await ApplyAsync(Tables);
        const string Other = """{ "orders": { "kind": "snapshot", "from": "erp", "period": "1 hour", "condition": "WHERE id > 50", "columns": [], "key": null } }""";
        var planned = await ApplyAsync(Other, "--plan", "--json");
        var changed = await ApplyAsync(Other, "--json");
        var conflict = await ApplyAsync("""{ "orders": { "kind": "table", "from": "erp" } }""");
        var wrong = await ApplyAsync("""{ "orders": { "kind": "table", "from": "erp", "batchLimits": 2 } }""");
        var array = await ApplyAsync("[]");
        var empty = await ApplyAsync("""{ "orders": { "kind": "table", "from": "erp", "columns": {} } }""");
        var unknown = await ApplyAsync("""{ "orders": { "kind": "table", "from": "erp", "colums": [] } }""");
        var nothing = await ApplyAsync("""{ "orders": { "kind": "table", "from": "erp", "colums": null } }""");

        plan.Should().Be(new CliResult(0, "public.orders\tcreate\t\npublic.grown\tcreate\t\n", ""));
        none.Output.Should().BeEmpty();
        made.Should().Be(new CliResult(0, "public.orders\tcreated\t\npublic.grown\tcreated\t\n", ""));
        again.Should().Be(new CliResult(0, "public.orders\tunchanged\t\npublic.grown\tunchanged\t\n", ""));
        (await cli.Database.ScalarAsync<string>("SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(*) FROM grown)", TestContext.Current.CancellationToken)).Should().Be("100 99");
        JsonDocument.Parse(planned.Output).RootElement[0].GetProperty("outcome").GetString().Should().Be("change");
        JsonDocument.Parse(changed.Output).RootElement[0].GetProperty("outcome").GetString().Should().Be("changed");
        JsonDocument.Parse(changed.Output).RootElement[0].GetProperty("changed").EnumerateArray().Select(e => e.GetString()).Should().Equal("Period", "Condition");
        (conflict.ExitCode, conflict.Error).Should().Be((2, "omnipg: What the rows that are here stand for cannot be changed: 'public.orders' is managed with another Kind.\nhint: Nothing was changed. Drop such a table from the configuration and create it anew.\n"));
        wrong.Should().Be(new CliResult(64, "", $"omnipg: '{file}', 'orders': 'batchLimits': a table has no such property.\n"));
        array.ExitCode.Should().Be(64);
        empty.Should().Be(new CliResult(64, "", $"omnipg: '{file}', 'orders': 'columns' is an empty object, which declares nothing.\n"));
        foreach (var misspelt in (CliResult[])[unknown, nothing])
            misspelt.Should().Be(new CliResult(64, "", $"omnipg: '{file}', 'orders': 'colums': a table has no such property.\n"));
    }

    [Fact]
    public async Task Owner_drift_and_what_a_refresh_stays_behind_are_options_of_a_set_up()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, at timestamptz DEFAULT now())", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        var role = $"owner_{Guid.NewGuid():N}";
        await cli.Database.ExecuteAsync($"CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}", TestContext.Current.CancellationToken);

        var made = await cli.RunAsync("mimeo", "create", "updater", "orders", "--from", "erp", "--by-time", "at", "--oldest-transaction", "--drift", "add", "--owner", role);
        var masked = await cli.RunAsync("mimeo", "create", "dml", "orders", "--from", "erp", "--to", "masked", "--map", "at=date_trunc('day', at)", "--ignore-deletes", "--throttle", "100000");
        var twice = await cli.RunAsync("mimeo", "create", "dml", "orders", "--from", "erp", "--to", "more", "--map", "at=now()", "--map", "at=NULL");
        var deleting = await cli.RunAsync("mimeo", "create", "table", "orders", "--from", "erp", "--to", "more", "--ignore-deletes");
        await cli.RunAsync("mimeo", "drop", "masked", "--skip-source");
        var orphans = await cli.RunAsync("mimeo", "orphans", "erp");
        var json = JsonDocument.Parse((await cli.RunAsync("mimeo", "orphans", "erp", "--json")).Output).RootElement[0];

        made.Should().Be(new CliResult(0, "'public.orders' is managed, with 0 rows\n", ""));
        (await cli.Database.ScalarAsync<string>("SELECT tableowner || ' ' || drift || ' ' || boundary_mode FROM omnipg_mimeo.table_option JOIN pg_tables ON tablename = 'orders' WHERE dest_table = 'public.orders'", TestContext.Current.CancellationToken))
            .Should().Be($"{role} AddColumns OldestTransaction");
        masked.Should().Be(new CliResult(0, "'public.masked' is managed, with 0 rows\n", ""));
        twice.Should().Be(new CliResult(64, "", "omnipg: --map 'at=NULL' is no COL=SQL, or a second one for its column.\n"));
        deleting.Should().Be(new CliResult(64, "", "omnipg: --ignore-deletes means nothing for table.\n"));
        (orphans.ExitCode, orphans.Error).Should().Be((1, ""));
        orphans.Output.Should().Be("omnipg_mimeo.public_orders_q\tpublic.orders\there\tDROP TRIGGER public_orders_mimeo_trig ON public.orders; DROP FUNCTION omnipg_mimeo.public_orders_mimeo_queue(); DROP TABLE omnipg_mimeo.public_orders_q;\n");
        json.GetProperty("statements").GetArrayLength().Should().Be(3);
    }

    [Fact]
    public async Task Rows_that_differ_are_named_and_repaired()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 100) i", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        await cli.RunAsync("mimeo", "create", "dml", "orders", "--from", "erp");
        await cli.Database.ExecuteAsync("DELETE FROM orders WHERE id = 7; UPDATE orders SET t = 'y' WHERE id = 8; INSERT INTO orders VALUES (101, 'z')", TestContext.Current.CancellationToken);

        var found = await cli.RunAsync("mimeo", "compare", "orders");
        var json = JsonDocument.Parse((await cli.RunAsync("mimeo", "compare", "orders", "--json", "--max", "1")).Output).RootElement;
        var repaired = await cli.RunAsync("mimeo", "compare", "orders", "--repair", "--max", "0");
        var equal = await cli.RunAsync("mimeo", "compare", "orders");
        var wrong = await cli.RunAsync("mimeo", "compare", "orders", "--max", "-1");

        found.Should().Be(new CliResult(1, "(101)\tmissing at the source\n(7)\tmissing here\n(8)\tother values\n'public.orders' differs from its source: 1 row missing here, 1 missing at the source, 1 with other values\n", ""));
        (json.GetProperty("equal").GetBoolean(), json.GetProperty("otherValues").GetInt64(), json.GetProperty("rows").GetArrayLength(), json.GetProperty("rows")[0].GetProperty("key").GetString()).Should().Be((false, 1, 1, "(101)"));
        repaired.Should().Be(new CliResult(0, "'public.orders' differed from its source and is repaired: 1 row missing here, 1 missing at the source, 1 with other values\n", ""));
        equal.Should().Be(new CliResult(0, "'public.orders' is equal to its source: 100 rows\n", ""));
        wrong.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task A_pattern_stands_for_many_tables()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1); CREATE TABLE onward (id int); CREATE TABLE two (id int PRIMARY KEY)", TestContext.Current.CancellationToken);
        await cli.Database.ExecuteAsync("CREATE SCHEMA dw", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);

        var check = await cli.RunAsync("mimeo", "create", "dml", "on*", "--from", "erp", "--to", "dw", "--check");
        var some = await cli.RunAsync("mimeo", "create", "dml", "on*", "--from", "erp", "--to", "dw");
        var rest = await cli.RunAsync("mimeo", "create", "table", "public.*", "--from", "erp", "--to", "dw");
        var none = await cli.RunAsync("mimeo", "create", "table", "public.*", "--from", "erp", "--to", "dw");
        var refreshed = await cli.RunAsync("mimeo", "refresh", "dw.o*", "dw.one");
        var nothing = await cli.RunAsync("mimeo", "refresh", "other.*");

        check.Should().Be(new CliResult(0, "No right is missing\n", ""));
        (some.ExitCode, some.Output).Should().Be((2, "dw.one\t1\t\n"));
        some.Error.Should().StartWith("omnipg: dw.onward: Source table 'public.onward' has no valid primary key");
        rest.Should().Be(new CliResult(0, "dw.onward\t0\t\ndw.two\t0\t\n", ""));
        (none.ExitCode, none.Error).Should().Be((64, "omnipg: No table of source 'erp' fits 'public.*' from which nothing comes here.\n"));
        refreshed.Output.Split('\n').Select(l => l.Split('\t')[0]).Should().Equal("dw.one", "dw.onward", "");
        (nothing.ExitCode, nothing.Error).Should().Be((64, "omnipg: No managed table fits 'other.*'.\n"));
    }

    [Fact]
    public async Task A_logical_table_is_followed_until_the_program_is_ended()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 100) i", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        (await cli.RunAsync("mimeo", "create", "logical", "orders", "--from", "erp")).Should().Be(new CliResult(0, "'public.orders' is managed, with 100 rows\n", ""));
        (await cli.RunAsync("mimeo", "refresh", "orders", "--pause", "2 s")).ExitCode.Should().Be(64);
        (await cli.RunAsync("mimeo", "refresh", "orders", "--follow", "--limit", "2")).ExitCode.Should().Be(64);
        var status = JsonDocument.Parse((await cli.RunAsync("mimeo", "status", "--json")).Output).RootElement.EnumerateArray().Single();
        (status.GetProperty("destination").GetString(), status.GetProperty("kind").GetString(), status.GetProperty("waiting").ValueKind, status.GetProperty("slotState").GetString()).Should().Be(("public.orders", "logical", JsonValueKind.Null, "reserved"));
        (await cli.RunAsync("mimeo", "status", "orders", "nowhere")).ExitCode.Should().Be(2);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        var following = cli.RunAsync(stop.Token, "mimeo", "refresh", "orders", "--follow", "--pause", "50 ms");
        for (var n = 1; n <= 3; n++)
        {
            await source.ExecuteAsync($"UPDATE orders SET t = 'y{n}' WHERE id <= 10; INSERT INTO orders VALUES (1000 + {n}, 'new')", TestContext.Current.CancellationToken);
            await Eventually.TrueAsync(
                async () => await cli.Database.ScalarAsync<bool>($"SELECT EXISTS (SELECT FROM orders WHERE id = 1000 + {n})", TestContext.Current.CancellationToken), "the change has come",
                cancellationToken: TestContext.Current.CancellationToken);
        }
        await stop.CancelAsync();
        var followed = await following;

        (followed.ExitCode, followed.Error).Should().Be((2, "omnipg: interrupted\n"));
        followed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().HaveCountGreaterThanOrEqualTo(1).And.OnlyContain(line => line.StartsWith("public.orders\tRefreshed\t"));
        (await cli.Database.ScalarAsync<string>("SELECT t FROM orders WHERE id = 5", TestContext.Current.CancellationToken)).Should().Be("y3");
    }

    [Fact]
    public async Task What_is_at_a_source_and_not_here_is_told_with_the_statements_that_mend_it()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); CREATE TABLE other (id int); CREATE VIEW seen AS SELECT 1 AS x", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);
        await cli.RunAsync("mimeo", "create", "logdel", "orders", "--from", "erp");

        var tables = await cli.RunAsync("mimeo", "unreplicated", "erp");
        var views = JsonDocument.Parse((await cli.RunAsync("mimeo", "unreplicated", "erp", "--views", "--json")).Output).RootElement;
        var unknown = await cli.RunAsync("mimeo", "unreplicated", "nobody");
        var none = await cli.RunAsync("mimeo", "drift");
        await source.ExecuteAsync("ALTER TABLE orders ADD more int", TestContext.Current.CancellationToken);
        var drift = await cli.RunAsync("mimeo", "drift");
        var json = JsonDocument.Parse((await cli.RunAsync("mimeo", "drift", "orders", "--json")).Output).RootElement;
        // As it is printed, on one line.
        await source.ExecuteAsync(string.Join('\n', drift.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line.Split('\t')[^1])), TestContext.Current.CancellationToken);
        var missing = await cli.RunAsync("mimeo", "drift", "nowhere");
        var import = await cli.RunAsync("mimeo", "import");
        await cli.RunAsync("mimeo", "drop", "orders");

        tables.Should().Be(new CliResult(0, "public.other\n", ""));
        views.EnumerateArray().Select(t => $"{t.GetProperty("schema")}.{t.GetProperty("name")}").Should().Equal("public.other", "public.seen");
        unknown.ExitCode.Should().Be(2);
        none.Should().Be(new CliResult(0, "", ""));
        (drift.ExitCode, drift.Error).Should().Be((1, ""));
        drift.Output.Should().StartWith(
            """
            public.orders\tmore\tmissing here\tinteger\t\tthe destination\tALTER TABLE "public"."orders" ADD COLUMN "more" integer;
            public.orders\t\tin the queue\t\t\tsource erp\tALTER TABLE "omnipg_mimeo"."public_orders_q" ADD COLUMN "more" integer;
            public.orders\t\tin the queue\t\t\tsource erp\tCREATE OR REPLACE FUNCTION "omnipg_mimeo"."public_orders_mimeo_queue"()
            """.Replace("\\t", "\t", StringComparison.Ordinal));
        json.EnumerateArray().Select(d => $"{d.GetProperty("column")} {d.GetProperty("source")}").Should().Equal("more ", " erp", " erp");
        missing.ExitCode.Should().Be(2);
        (import.ExitCode, import.Error).Should().Be((2, "omnipg: The configuration does not stand in tables of the extension mimeo.\nhint: List what is managed here.\n"));
    }

    [Fact]
    public async Task Changes_are_followed_by_a_queue_that_drop_takes_away_or_names()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await source.ExecuteAsync("CREATE TABLE orders (id int PRIMARY KEY, t text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 100) i", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", source.ConnectionString);

        var dml = await cli.RunAsync("mimeo", "create", "dml", "orders", "--from", "erp", "--batch-limit", "1000");
        var logdel = await cli.RunAsync("mimeo", "create", "logdel", "orders", "--from", "erp", "--to", "kept");
        await source.ExecuteAsync("DELETE FROM orders WHERE id <= 10", TestContext.Current.CancellationToken);
        var refreshed = await cli.RunAsync("mimeo", "refresh", "orders", "kept");
        var grouped = await cli.RunAsync("mimeo", "refresh", "orders", "kept", "--group");
        var limited = await cli.RunAsync("mimeo", "refresh", "orders", "kept", "--group", "--limit", "5");
        var due = await cli.RunAsync("mimeo", "refresh", "--due", "--kind", "dml", "--max", "5", "--parallel", "2");
        var wrong = await cli.RunAsync("mimeo", "refresh", "orders", "--due");
        var valid = await cli.RunAsync("mimeo", "validate", "kept", "--checksum");
        await cli.Database.ExecuteAsync("INSERT INTO orders VALUES (7777, 'own')", TestContext.Current.CancellationToken);
        var differs = await cli.RunAsync("mimeo", "validate", "orders");
        var dropped = await cli.RunAsync("mimeo", "drop", "orders", "--drop-table");
        var skipped = await cli.RunAsync("mimeo", "drop", "kept", "--skip-source");

        dml.Should().Be(new CliResult(0, "'public.orders' is managed, with 100 rows\n", ""));
        logdel.ExitCode.Should().Be(0);
        due.Should().Be(new CliResult(0, "", ""));
        (wrong.ExitCode, wrong.Error).Should().Be((64, "omnipg: --due takes no table and no --group, --limit, --repull, --keep-readers, --nulls or --follow.\n"));
        valid.Should().Be(new CliResult(0, "'public.kept' is equal to its source: 90 rows here, 90 there\n", ""));
        (differs.ExitCode, differs.Output).Should().Be((1, "'public.orders' differs from its source: 91 rows here, 90 there\n"));
        (grouped.ExitCode, limited.ExitCode).Should().Be((0, 64));
        grouped.Output.Should().StartWith("public.orders\tNothingNew\t0\t").And.Contain("\npublic.kept\tNothingNew\t0\t");
        refreshed.Output.Should().StartWith("public.orders\tRefreshed\t10\t").And.Contain("\npublic.kept\tRefreshed\t10\t");
        dropped.Should().Be(new CliResult(0, "'public.orders' is not managed any more\n", ""));
        skipped.Output.Should().Be(
            """
            'public.kept' is not managed any more; its rows stay; run at its source:
            DROP TRIGGER IF EXISTS "public_orders_mimeo_trig01" ON "public"."orders";
            DROP FUNCTION IF EXISTS "omnipg_mimeo"."public_orders_mimeo_queue01"();
            DROP TABLE IF EXISTS "omnipg_mimeo"."public_orders_q01";

            """);
        (await cli.Database.ScalarAsync<string>("SELECT count(*) || ' ' || count(mimeo_source_deleted) FROM kept", TestContext.Current.CancellationToken)).Should().Be("100 10");
        (await source.ScalarAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'orders'::regclass", TestContext.Current.CancellationToken)).Should().Be(1);
    }

    [Fact]
    public async Task Rights_that_are_missing_are_printed_as_a_script_for_each_server_before_and_after_a_table_is_set_up()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await using var source = await server.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = $"puller_{Path.GetRandomFileName()[..6]}";
        await source.ExecuteAsync($"CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1); CREATE ROLE {role} LOGIN", TestContext.Current.CancellationToken);
        await cli.RunAsync("mimeo", "source", "add", "erp", "--source-connection", server.Cluster.GetConnectionString(source.Name, role));
        string[] create = ["mimeo", "create", "dml", "orders", "--from", "erp"];

        var before = await cli.RunAsync([.. create, "--check"]);
        await source.ExecuteAsync(before.Output, TestContext.Current.CancellationToken);
        var granted = await cli.RunAsync([.. create, "--check"]);
        var created = await cli.RunAsync(create);
        await source.ExecuteAsync("REVOKE SELECT ON orders FROM " + role, TestContext.Current.CancellationToken);
        var after = JsonDocument.Parse((await cli.RunAsync("mimeo", "check", "--json")).Output).RootElement.EnumerateArray().Select(m => $"{m.GetProperty("source")}: {m.GetProperty("statement")}");
        await source.ExecuteAsync("GRANT SELECT ON orders TO " + role, TestContext.Current.CancellationToken);
        var complete = await cli.RunAsync("mimeo", "check", "orders");
        var unknown = await cli.RunAsync("mimeo", "check", "nowhere");
        await source.ExecuteAsync("DROP TABLE orders CASCADE", TestContext.Current.CancellationToken);
        var gone = await cli.RunAsync("mimeo", "check");

        before.Should().Be(new CliResult(2, $"-- at source erp\nGRANT SELECT ON public.orders TO {role};\nGRANT TRIGGER ON public.orders TO {role};\nCREATE SCHEMA omnipg_mimeo AUTHORIZATION {role};\n", ""));
        granted.Should().Be(new CliResult(0, "No right is missing\n", ""));
        created.ExitCode.Should().Be(0);
        after.Should().Equal($"erp: GRANT SELECT ON public.orders TO {role};");
        complete.Should().Be(new CliResult(0, "1 table, and no right is missing\n", ""));
        unknown.ExitCode.Should().Be(64);
        (gone.ExitCode, gone.Error).Should().Be((2, "omnipg: public.orders: Source table 'public.orders' not found at source 'erp'.\n"));
    }

    [Theory]
    [InlineData("omnipg: Kind 'magic' is none of snapshot, table, inserter, updater, dml, logdel, logical.\n", "magic")]
    [InlineData("omnipg: inserter needs --by-time or --by-serial.\n", "inserter")]
    [InlineData("omnipg: --by-time and --by-serial contradict each other.\n", "updater", "--by-time", "a", "--by-serial", "b")]
    [InlineData("omnipg: --key means nothing for table.\n", "table", "--key", "a")]
    [InlineData("omnipg: --oldest-transaction needs --by-time.\n", "inserter", "--by-serial", "a", "--oldest-transaction")]
    [InlineData("omnipg: --drift means nothing for snapshot, which is made anew.\n", "snapshot", "--drift", "add")]
    [InlineData("omnipg: --drift 'merge' is none of fail, add, ignore.\n", "dml", "--drift", "merge")]
    [InlineData("omnipg: --every: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.\n", "table", "--every", "soon")]
    [InlineData("omnipg: --boundary: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.\n", "inserter", "--by-time", "at", "--boundary", "soon")]
    public async Task What_contradicts_itself_is_wrong_use(string message, string kind, params string[] more)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var result = await cli.RunAsync(["mimeo", "create", kind, "orders", "--from", "erp", .. more]);

        result.Should().Be(new CliResult(64, "", message));
    }
}
