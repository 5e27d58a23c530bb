using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Partman;

public sealed class PartmanCommandTests(PgClusterFixture server)
{
    private const string Table = "CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id)";

    [Fact]
    public async Task A_set_is_planned_made_shown_maintained_and_forgotten()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table, TestContext.Current.CancellationToken);
        string[] create = ["partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "2", "--retention", "5", "--when-expired", "drop"];

        var plan = await cli.RunAsync([.. create, "--plan"]);
        var made = await cli.RunAsync(create);
        await cli.Database.ExecuteAsync("INSERT INTO events SELECT generate_series(1, 25)", TestContext.Current.CancellationToken);
        var check = await cli.RunAsync("partman", "check");
        var list = JsonDocument.Parse((await cli.RunAsync("partman", "list", "public.events", "--json")).Output).RootElement;
        var script = await cli.RunAsync("partman", "maintain", "--plan");
        var maintained = await cli.RunAsync("partman", "maintain");
        var located = await cli.RunAsync("partman", "locate", "events", "--", "-5");
        var sets = await cli.RunAsync("partman", "sets");
        var again = await cli.RunAsync("partman", "maintain", "events");
        var nothing = await cli.RunAsync("partman", "maintain", "--plan");
        var whole = await cli.RunAsync("partman", "check");
        var forgotten = await cli.RunAsync("partman", "forget", "events");

        plan.Output.Should().StartWith("-- create-set: ").And.Contain("CREATE TABLE \"public\".\"events_p0\" (LIKE \"public\".\"events\" ");
        made.Should().Be(new CliResult(0, "'public.events' is a set with 4 partitions\n", ""));
        check.ExitCode.Should().Be(2);
        check.Output.Should().StartWith("CRITICAL\tpublic.events\t'public.events' has 0 of 2 partitions ahead of '25'.\n");
        list.EnumerateArray().Select(p => $"{p.GetProperty("name").GetString()} {p.GetProperty("lower").GetString()} {p.GetProperty("fate").GetString()}").Should().Equal(
            "events_p0 0 drop", "events_p10 10 drop", "events_p20 20 keep", "events_p30 30 create", "events_p40 40 create", "events_default  keep");
        script.Output.Should().Contain("ATTACH PARTITION \"public\".\"events_p30\" FOR VALUES FROM ('30') TO ('40');").And.Contain("--   destroys data");
        maintained.Should().Be(new CliResult(0,
            "public.events\tpublic.events_p30\t30\t40\tcreate\npublic.events\tpublic.events_p40\t40\t50\tcreate\n"
            + "public.events\tpublic.events_p0\t0\t10\tdrop\npublic.events\tpublic.events_p10\t10\t20\tdrop\n", ""));
        located.Output.Should().Be("public.\"events_p-10\"\t-10\t0\tmissing\n");
        sets.Output.Should().Be("public.events\tid\t10\t\t2\t5\tdrop\n");
        again.Should().Be(new CliResult(0, "", ""));
        nothing.Error.Should().Be("Nothing to do in 1 set\n");
        nothing.ExitCode.Should().Be(0);
        whole.Should().Be(new CliResult(0, "OK\t\t1 set, and nothing is wrong with them\n", ""));
        forgotten.Output.Should().Be("'public.events' is no set any more; its tables stay\n");
    }

    [Fact]
    public async Task A_table_is_converted_swapped_back_and_its_conversion_ended()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE orders (id bigint PRIMARY KEY, note text); INSERT INTO orders SELECT n, 'n' || n FROM generate_series(1, 25) n", TestContext.Current.CancellationToken);
        string[] convert = ["partman", "convert", "orders", "--control", "id", "--interval", "10", "--premake", "1", "--strategy", "copy-and-swap", "--batch-size", "10"];

        var plan = await cli.RunAsync([.. convert, "--plan"]);
        var done = await cli.RunAsync(convert);
        var operations = JsonDocument.Parse((await cli.RunAsync("partman", "operations", "--json")).Output).RootElement[0];
        var late = await cli.RunAsync("partman", "abort", "1");
        await cli.Database.ExecuteAsync("INSERT INTO orders VALUES (26, 'late')", TestContext.Current.CancellationToken);
        var back = await cli.RunAsync("partman", "swap-back", "1");
        var finished = await cli.RunAsync("partman", "finish", "1");
        var ended = await cli.RunAsync("partman", "abort", "1");
        var unknown = await cli.RunAsync("partman", "abort", "2");
        var other = await cli.RunAsync([.. convert, "--strategy", "fast"]);

        plan.Output.Should().Contain("-- swap: ").And.Contain("--   locks public.orders in ACCESS EXCLUSIVE");
        done.Should().Be(new CliResult(0, "Conversion 1 of 'public.orders' is swapped; 'omnipg partman finish 1' drops the former table\n", ""));
        operations.GetProperty("phase").GetString().Should().Be("swapped");
        operations.GetProperty("rows").GetInt64().Should().Be(25);
        late.ExitCode.Should().Be(2);
        late.Error.Should().Contain("'Swapped'");
        back.Should().Be(new CliResult(0, "Conversion 1 of 'public.orders' is swapped-back\n", ""));
        finished.Should().Be(new CliResult(0, "Conversion 1 of 'public.orders' is finished\n", ""));
        (await cli.Database.ScalarAsync<string>("SELECT relkind::text || (SELECT count(*) FROM orders) FROM pg_class WHERE oid = 'orders'::regclass", TestContext.Current.CancellationToken)).Should().Be("r26");
        ended.Should().Be(new CliResult(2, "", "omnipg: Conversion '1' of 'public.orders' is 'Finished', which does not allow that.\nhint: It is at its end, and nothing is left of it.\n"));
        unknown.Should().Be(new CliResult(2, "", "omnipg: There is no conversion '2'.\nhint: The list of conversions names all of them.\n"));
        other.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task Sets_of_a_file_are_planned_made_changed_and_left_alone()
    {
        using var folder = new TemporaryDirectory();
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table, TestContext.Current.CancellationToken);
        var file = Path.Combine(folder.Path, "sets.json");
        async Task<CliResult> ApplyAsync(string json, params string[] more)
        {
            await File.WriteAllTextAsync(file, json, TestContext.Current.CancellationToken);
            return await cli.RunAsync(["partman", "apply", file, .. more]);
        }

        var plan = await ApplyAsync("""{ "events": { "control": "id", "idInterval": 10, "premake": 1 } }""", "--plan");
        var made = await ApplyAsync("""{ "events": { "control": "id", "idInterval": 10, "premake": 1 } }""");
        var again = await ApplyAsync("""{ "events": { "control": "id", "idInterval": 10, "premake": 1 } }""");
        var changed = await ApplyAsync("""{ "events": { "control": "id", "idInterval": 10, "premake": 2, "idRetention": "5", "whenExpired": "drop" } }""", "--json");
        var maintain = await cli.RunAsync("partman", "maintain", "--plan", "--json");
        var wrong = await ApplyAsync("""{ "events": { "control": "id", "idInterval": 10, "premak": 2 } }""");
        var none = await ApplyAsync("[]");

        plan.Output.Should().StartWith("-- create-set: ");
        made.Should().Be(new CliResult(0, "public.events\tcreated\t\n", ""));
        again.Should().Be(new CliResult(0, "public.events\tunchanged\t\n", ""));
        JsonDocument.Parse(changed.Output).RootElement[0].GetProperty("changed").EnumerateArray().Select(e => e.GetString()).Should().Equal("Premake", "IdRetention", "WhenExpired");
        JsonDocument.Parse(maintain.Output).RootElement[0].GetProperty("partitions").EnumerateArray().Select(p => $"{p.GetProperty("name").GetString()} {p.GetProperty("fate").GetString()}")
            .Should().Equal("events_p0 keep", "events_p10 keep", "events_default keep");
        wrong.Should().Be(new CliResult(64, "", $"omnipg: '{file}', 'events': 'premak' cannot be '2': A set has no such property.\n"));
        none.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task Partitions_are_partitioned_again_where_they_are_empty()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (id)", TestContext.Current.CancellationToken);
        (await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "1")).ExitCode.Should().Be(0);
        await cli.Database.ExecuteAsync("INSERT INTO events VALUES (1, now())", TestContext.Current.CancellationToken);
        string[] verb = ["partman", "sub-partition", "events", "--control", "at", "--interval", "1 month", "--premake", "1"];

        var refused = await cli.RunAsync(verb);
        var plan = await cli.RunAsync([.. verb, "--allow-data-loss", "--plan"]);
        await cli.Database.ExecuteAsync("DELETE FROM events", TestContext.Current.CancellationToken);
        var done = await cli.RunAsync([.. verb, "--json"]);
        var sets = await cli.RunAsync("partman", "sets");

        refused.ExitCode.Should().Be(2);
        refused.Error.Should().Contain("'public.events_p0' holds rows");
        plan.Output.Should().StartWith("\\set ON_ERROR_STOP on\n-- sub-partition-set: ").And.Contain("DROP TABLE \"public\".\"events_p0\"").And.Contain("PARTITION BY RANGE (\"at\")");
        JsonDocument.Parse(done.Output).RootElement.EnumerateObject().Select(p => $"{p.Name} {p.Value}").Should().Equal("table public.events", "control at");
        sets.Output.Should().Be("public.events\tid\t10\t\t1\t\t\npublic.events_p0\tat\t1 mon\tUTC\t1\t\t\npublic.events_p10\tat\t1 mon\tUTC\t1\t\t\n");
    }

    [Theory]
    [InlineData("legacy", "orders_default", "orders_legacy")]
    [InlineData("drain-default", "orders_default", "orders_p0")]
    public async Task A_table_becomes_a_partition_without_a_copy(string strategy, params string[] partitions)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE orders (id bigint PRIMARY KEY); INSERT INTO orders SELECT generate_series(1, 9)", TestContext.Current.CancellationToken);
        string[] verb = ["partman", "convert", "orders", "--control", "id", "--interval", "10", "--premake", "1", "--strategy"];

        var wrong = await cli.RunAsync([.. verb, "magic"]);
        var plan = await cli.RunAsync([.. verb, strategy, "--plan"]);
        var done = await cli.RunAsync([.. verb, strategy]);

        wrong.Should().Be(new CliResult(64, "", "omnipg: --strategy 'magic' is none of copy-and-swap, legacy, drain-default.\n"));
        plan.Output.Should().StartWith("-- create-copy: ").And.Contain("-- swap: ");
        done.ExitCode.Should().Be(0, done.Error);
        (await cli.Database.ScalarAsync<string[]>("SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'orders'::regclass", TestContext.Current.CancellationToken))
            .Should().Contain(partitions);
    }

    [Fact]
    public async Task The_rows_of_a_set_go_into_a_plain_table()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table + "; CREATE TABLE plain (id bigint)", TestContext.Current.CancellationToken);
        (await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "1")).ExitCode.Should().Be(0);
        await cli.Database.ExecuteAsync("INSERT INTO events SELECT generate_series(1, 25)", TestContext.Current.CancellationToken);

        var plan = await cli.RunAsync("partman", "undo", "events", "--into", "plain", "--plan");
        var wrong = await cli.RunAsync("partman", "undo", "events", "--into", "nothere");
        var done = await cli.RunAsync("partman", "undo", "events", "--into", "plain", "--batch-size", "4", "--json");
        var again = await cli.RunAsync("partman", "undo", "events", "--into", "plain");

        plan.Output.Should().StartWith("-- begin-undo: ").And.Contain("DROP TABLE \"public\".\"events_p10\"").And.Contain("-- end-undo: ");
        wrong.ExitCode.Should().Be(2);
        wrong.Error.Should().StartWith("omnipg: 'public.events' cannot be undone into 'public.nothere': 'public.nothere' is no table.");
        JsonDocument.Parse(done.Output).RootElement.GetProperty("rows").GetInt64().Should().Be(25);
        again.Should().Be(new CliResult(0, "Moved 25 rows of 3 partitions into 'public.plain'; 'public.events' is no set any more\n", ""));
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM plain", TestContext.Current.CancellationToken)).Should().Be(25);
    }

    [Fact]
    public async Task Partitions_that_somebody_made_are_planned_and_adopted()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table + "; CREATE TABLE a PARTITION OF events FOR VALUES FROM (0) TO (10); CREATE TABLE b PARTITION OF events FOR VALUES FROM (10) TO (20)", TestContext.Current.CancellationToken);

        var plan = await cli.RunAsync("partman", "adopt", "events", "--premake", "2", "--plan");
        var none = await cli.RunAsync("partman", "sets");
        var done = await cli.RunAsync("partman", "adopt", "events", "--premake", "2", "--retention", "100", "--when-expired", "drop");
        var sets = await cli.RunAsync("partman", "sets");
        var wrong = await cli.RunAsync("partman", "adopt", "events", "--when-expired", "burn");

        plan.Output.Should().StartWith("-- adopt-set: 'public.events' is maintained from now on, as it is.\n").And.Contain("part_config");
        none.Output.Should().Be("");
        done.Should().Be(new CliResult(0, "'public.events' is a set by 'id' in steps of 10 with 2 partitions\n", ""));
        sets.Output.Should().Be("public.events\tid\t10\t\t2\t100\tdrop\n");
        wrong.Should().Be(new CliResult(64, "", "omnipg: --when-expired 'burn' is none of detach, drop, move:SCHEMA, archive:DIR, archive:s3://BUCKET/PREFIX.\n"));
    }

    [Fact]
    public async Task An_expired_partition_goes_to_the_archive_and_comes_back()
    {
        using var folder = new TemporaryDirectory();
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table, TestContext.Current.CancellationToken);
        var made = await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "1", "--retention", "5", "--when-expired", "archive:" + folder.Path);
        await cli.Database.ExecuteAsync("INSERT INTO events SELECT generate_series(1, 15)", TestContext.Current.CancellationToken);

        var without = await cli.RunAsync("partman", "maintain");
        var archived = await cli.RunAsync("partman", "maintain", "--archive", folder.Path);
        var restored = await cli.RunAsync("partman", "restore", Path.Combine(folder.Path, "public.events_p0.manifest.json"));
        var nowhere = await cli.RunAsync("partman", "maintain", "--archive", Path.Combine(folder.Path, "none"));

        made.ExitCode.Should().Be(0, made.Error);
        without.ExitCode.Should().Be(1);
        without.Error.Should().Contain("and this client has no archive");
        archived.Output.Should().Contain("public.events\tpublic.events_p0\t0\t10\tarchive\n");
        restored.Should().Be(new CliResult(0, "'public.events_p0' is back with 9 rows, from 0 up to 10\n", ""));
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM events WHERE id < 10", TestContext.Current.CancellationToken)).Should().Be(9);
        nowhere.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task An_expired_partition_goes_to_a_bucket_and_comes_back()
    {
        await using var bucket = await S3Endpoint.StartAsync();
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        (cli.Variables["AWS_ACCESS_KEY_ID"], cli.Variables["AWS_SECRET_ACCESS_KEY"]) = (S3Endpoint.AccessKey, S3Endpoint.SecretKey);
        await cli.Database.ExecuteAsync(Table, TestContext.Current.CancellationToken);
        string[] endpoint = ["--s3-endpoint", bucket.Url.ToString()];
        const string place = $"s3://{S3Endpoint.Bucket}/old";
        var made = await cli.RunAsync([
            "partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "1", "--retention", "5", "--when-expired", "archive:" + place, .. endpoint]);
        made.ExitCode.Should().Be(0, made.Error);
        await cli.Database.ExecuteAsync("INSERT INTO events SELECT generate_series(1, 15)", TestContext.Current.CancellationToken);

        var archived = await cli.RunAsync(["partman", "maintain", "--archive", place, .. endpoint]);
        var keys = bucket.Keys;
        var restored = await cli.RunAsync(["partman", "restore", $"{place}/public.events_p0.manifest.json", .. endpoint]);
        var nowhere = await cli.RunAsync(["partman", "maintain", "--archive", "s3://", .. endpoint]);
        var other = await cli.RunAsync("partman", "maintain", "--archive", "ftp://there");

        archived.Output.Should().Contain("public.events\tpublic.events_p0\t0\t10\tarchive\n", archived.Error);
        keys.Should().Contain("old/public.events_p0.manifest.json");
        restored.Should().Be(new CliResult(0, "'public.events_p0' is back with 9 rows, from 0 up to 10\n", ""));
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM events WHERE id < 10", TestContext.Current.CancellationToken)).Should().Be(9);
        nowhere.Should().Be(new CliResult(64, "", "omnipg: The place 's3://' is wrong: Bucket is missing.\n"));
        other.Should().Be(new CliResult(64, "", "omnipg: 'ftp://there' is neither a directory nor s3://BUCKET/PREFIX, and this program archives in those only; the library takes any store.\n"));
    }

    [Fact]
    public async Task A_set_that_fails_ends_with_1_and_a_hint()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table, TestContext.Current.CancellationToken);
        (await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "1")).ExitCode.Should().Be(0);
        await cli.Database.ExecuteAsync("INSERT INTO events VALUES (15), (25)", TestContext.Current.CancellationToken);

        var conflict = await cli.RunAsync("partman", "maintain");
        var drained = await cli.RunAsync("partman", "maintain", "--drain");

        conflict.ExitCode.Should().Be(1);
        conflict.Error.Should().Be(
            "omnipg: public.events: The default partition of 'public.events' holds rows of the range of 'public.events_p20', which cannot be created beside them.\n"
            + "hint: These rows belong into that partition: 'omnipg partman maintain --drain' moves them there.\n");
        drained.Output.Should().StartWith("public.events\tpublic.events_p20\t20\t30\tcreate\n");
    }

    [Fact]
    public async Task A_set_that_is_none_is_told_with_the_command_that_names_all()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var result = await cli.RunAsync("partman", "list", "nothere");

        result.ExitCode.Should().Be(2);
        result.Error.Should().StartWith("omnipg: 'public.nothere' is no partition set: ")
            .And.EndWith("\nhint: Create the set first, or check the name: 'omnipg partman sets' names all sets.\n");
    }

    [Fact]
    public async Task A_set_is_limited_in_number_and_size()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync(Table, TestContext.Current.CancellationToken);

        var made = await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--retention-count", "3", "--retention-size", "2 GB", "--when-expired", "drop");
        var sets = await cli.RunAsync("partman", "sets");

        made.ExitCode.Should().Be(0, made.Error);
        sets.Output.Should().Be("public.events\tid\t10\t\t4\t3 partitions, 2147483648 bytes\tdrop\n");
    }

    [Fact]
    public async Task A_set_is_split_by_a_hash()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE events (id bigint NOT NULL, \"te:nant\" text) PARTITION BY RANGE (id)", TestContext.Current.CancellationToken);

        var made = await cli.RunAsync("partman", "create", "events", "--control", "id", "--interval", "10", "--hash", "te:nant:4");

        made.ExitCode.Should().Be(0, made.Error);
        (await cli.Database.ScalarAsync<long>("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events_p0'::regclass", TestContext.Current.CancellationToken)).Should().Be(4);
    }

    [Theory]
    [InlineData("omnipg: --hash 'tenant' is not COL:N, such as 'tenant:8'.\n", "--hash", "tenant")]
    [InlineData("omnipg: --retention-size '2 parsecs' is no size, such as '200 GB'.\n", "--retention-size", "2 parsecs")]
    [InlineData("omnipg: --when-expired 'burn' is none of detach, drop, move:SCHEMA, archive:DIR, archive:s3://BUCKET/PREFIX.\n", "--when-expired", "burn")]
    [InlineData("omnipg: --type 'list' does not go with --interval '10': a list has one id in each partition, and everything else is a range.\n", "--type", "list")]
    [InlineData("omnipg: --retention 'soon' is no number, and the interval counts ids.\n", "--retention", "soon")]
    [InlineData("omnipg: --uuid7 and --epoch contradict each other.\n", "--uuid7", "--epoch", "seconds")]
    public async Task What_contradicts_itself_is_wrong_use(string message, params string[] more)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var result = await cli.RunAsync(["partman", "create", "events", "--control", "id", "--interval", "10", .. more]);

        result.Should().Be(new CliResult(64, "", message));
    }

    [Theory]
    [InlineData("--interval", "soon", "1 year")]
    [InlineData("--retention", "1 day", "soon")]
    public async Task An_interval_that_is_none_is_told_with_its_option(string option, string interval, string retention)
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);

        var result = await cli.RunAsync("partman", "create", "events", "--control", "at", "--interval", interval, "--retention", retention);

        result.Should().Be(new CliResult(64, "", $"omnipg: {option}: 'soon' is not a PostgreSQL interval, such as '1 day', '26 hours' or 'P1M'.\n"));
    }
}
