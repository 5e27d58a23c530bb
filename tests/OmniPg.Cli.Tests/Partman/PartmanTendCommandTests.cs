using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Partman;

/// <summary>Commands for what is done to partitions by wish.</summary>
public sealed class PartmanTendCommandTests(PgClusterFixture server)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private async Task<CliRunner> CreateAsync(params string[] more)
    {
        var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE events (id bigint PRIMARY KEY, note text) PARTITION BY RANGE (id)", Token);
        (await cli.RunAsync(["partman", "create", "events", "--control", "id", "--interval", "10", "--premake", "1", .. more])).ExitCode.Should().Be(0);
        return cli;
    }

    [Fact]
    public async Task Partitions_are_added_by_their_values()
    {
        await using var cli = await CreateAsync();

        var plan = await cli.RunAsync("partman", "add", "events", "55", "--plan");
        var added = await cli.RunAsync("partman", "add", "events", "55", "71");
        var json = await cli.RunAsync("partman", "add", "events", "55", "85", "--json");
        var none = await cli.RunAsync("partman", "add", "events");
        var wrong = await cli.RunAsync("partman", "add", "events", "soon");
        var both = await cli.RunAsync("partman", "add", "events", "55", "--plan", "--json");

        plan.Output.Should().Contain("-- create-partition: 'public.events_p50' takes '50' up to '60'.");
        added.Should().Be(new CliResult(0, "public.events_p50\t50\t60\npublic.events_p70\t70\t80\n", ""));
        JsonDocument.Parse(json.Output).RootElement.EnumerateArray().Single().GetProperty("partition").GetString().Should().Be("public.events_p80");
        none.ExitCode.Should().Be(64);
        wrong.Should().Be(new CliResult(64, "", "omnipg: 'soon' is no moment, such as '2026-01-31 12:00'.\n"));
        both.ExitCode.Should().Be(64);
    }

    [Fact]
    public async Task Sets_are_analyzed_and_what_was_passed_over_ends_with_1()
    {
        await using var cli = await CreateAsync();
        await cli.Database.ExecuteAsync("INSERT INTO events SELECT n, 'x' FROM generate_series(1, 15) n", Token);
        await using var holder = await cli.Database.DataSource.OpenConnectionAsync(Token);

        var all = await cli.RunAsync("partman", "analyze");
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new Npgsql.NpgsqlCommand("LOCK TABLE events_p10 IN SHARE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);
        var held = await cli.RunAsync("partman", "analyze", "events", "--skip-locked");
        var json = await cli.RunAsync("partman", "analyze", "events", "--skip-locked", "--json");

        all.Should().Be(new CliResult(0, "public.events\tanalyzed\n", ""));
        held.ExitCode.Should().Be(1);
        held.Output.Should().Be("public.events\tpartly\n");
        held.Error.Should().Be("note: 'public.events_p10' was passed over.\n");
        JsonDocument.Parse(json.Output).RootElement[0].GetProperty("passedOver").EnumerateArray().Select(p => p.GetString()).Should().Equal("public.events_p10");
    }

    [Fact]
    public async Task Privileges_are_reapplied()
    {
        await using var cli = await CreateAsync();
        await cli.Database.ExecuteAsync("GRANT SELECT ON events TO PUBLIC", Token);

        var plan = await cli.RunAsync("partman", "privileges", "events", "--plan");
        var done = await cli.RunAsync("partman", "privileges", "events");
        var again = await cli.RunAsync("partman", "privileges", "events", "--json");

        plan.Output.Should().Contain("-- reapply-privileges: 'public.events_p0' gets the grants of 'public.events'.").And.Contain("GRANT SELECT ON \"public\".\"events_p0\" TO PUBLIC");
        done.Should().Be(new CliResult(0, "public.events_default\npublic.events_p0\npublic.events_p10\n", ""));
        JsonDocument.Parse(again.Output).RootElement.GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task Autovacuum_is_kept_from_what_an_undo_moves_and_has_it_back()
    {
        await using var cli = await CreateAsync();
        await cli.Database.ExecuteAsync("INSERT INTO events SELECT n, 'x' FROM generate_series(1, 15) n; CREATE TABLE plain (LIKE events INCLUDING ALL) WITH (autovacuum_enabled = true)", Token);

        var undone = await cli.RunAsync("partman", "undo", "events", "--into", "plain", "--suspend-autovacuum");
        var back = await cli.RunAsync("partman", "convert", "plain", "--control", "id", "--interval", "10", "--suspend-autovacuum");
        var wrong = await cli.RunAsync("partman", "convert", "plain", "--control", "id", "--interval", "10", "--strategy", "legacy", "--suspend-autovacuum");

        undone.ExitCode.Should().Be(0, undone.Error);
        back.ExitCode.Should().Be(0, back.Error);
        wrong.ExitCode.Should().Be(64);
        (await cli.Database.ScalarAsync<string>("SELECT reloptions::text FROM pg_class WHERE relname = 'plain_omnipg_old'", Token)).Should().Be("{autovacuum_enabled=true}");
    }

    [Fact]
    public async Task A_set_that_begins_before_its_retention_says_which_ranges_it_passes_over()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster, install: false);
        await cli.Database.ExecuteAsync("CREATE TABLE days (at timestamptz NOT NULL) PARTITION BY RANGE (at)", Token);

        var made = await cli.RunAsync("partman", "create", "days", "--control", "at", "--interval", "1 day", "--start", "2020-01-01", "--retention", "30 days");

        made.ExitCode.Should().Be(0);
        made.Error.Should().MatchRegex("^note: Of 'public.days' [0-9]+ ranges before '.*' are not made: older than '30 days', the next maintenance would take them. Their rows go to the default partition.\n$");
    }
}
