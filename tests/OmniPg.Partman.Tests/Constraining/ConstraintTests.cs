using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Constraining;

/// <summary>Checks of what cold partitions hold: right, found by the planner, and gone where they would be wrong.</summary>
public sealed class ConstraintTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Checks = "SELECT COALESCE(array_agg(conrelid::regclass || ' ' || pg_get_constraintdef(oid) ORDER BY conrelid::regclass::text, conname), '{}') FROM pg_constraint WHERE contype = 'c' AND conname ~ '^partmanconstr_'";

    private async Task CreateAsync()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz, name text, odd jsonb) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events SELECT n, '2026-01-01Z'::timestamptz + n * interval '1 hour', CASE WHEN n >= 10 THEN 'it''s ' || n END FROM generate_series(1, 35) n");
        await MaintainAsync();
    }

    [Fact]
    public async Task Cold_partitions_are_constrained_to_what_they_hold_and_queries_pass_them_over()
    {
        await CreateAsync();
        var options = new ConstraintOptions { Columns = ["at", "name"], Distance = 2 };

        var plan = await Partman.PlanConstraintsAsync(Events, options, Token);
        var done = await Partman.ApplyConstraintsAsync(Events, options, cancellationToken: Token);
        var again = await Partman.ApplyConstraintsAsync(Events, options, cancellationToken: Token);

        plan.Steps.Select(s => s.Kind).Should().Equal("constrain-partition", "prove-constraint", "constrain-partition", "prove-constraint", "constrain-partition", "prove-constraint");
        done.Select(c => $"{c.Partition.Name.Value} {c.Column} {c.Outcome}").Should().Equal("events_p0 at Added", "events_p0 name NoValues", "events_p10 at Added", "events_p10 name Added");
        (await Ask<string[]>("SET TimeZone = 'UTC'; " + Checks)).Should().Equal(
            "events_p0 CHECK (((at >= '2026-01-01 01:00:00+00'::timestamp with time zone) AND (at <= '2026-01-01 09:00:00+00'::timestamp with time zone)))",
            "events_p10 CHECK (((at >= '2026-01-01 10:00:00+00'::timestamp with time zone) AND (at <= '2026-01-01 19:00:00+00'::timestamp with time zone)))",
            "events_p10 CHECK (((name >= 'it''s 10'::text) AND (name <= 'it''s 19'::text)))");
        again.Select(c => c.Outcome).Should().Equal(ConstraintFate.NoValues);
        (await Ask<string>("EXPLAIN SELECT FROM events WHERE at = '2026-01-02Z'")).Should().NotContain("events_p0");
        var rows = await Database.ScalarAsync<string[]>("SELECT array_agg(conname::text ORDER BY conname) FROM pg_constraint WHERE conname ~ '^partmanconstr_' AND convalidated", Token);
        rows.Should().Equal("partmanconstr_events_p0_at", "partmanconstr_events_p10_at", "partmanconstr_events_p10_name");
    }

    [Fact]
    public async Task The_columns_of_the_configuration_are_taken_where_none_are_named()
    {
        await CreateAsync();
        await Run("UPDATE omnipg_partman.part_config SET constraint_cols = '{at}', optimize_constraint = 3, constraint_valid = false");

        var unproven = await Partman.ApplyConstraintsAsync(Events, cancellationToken: Token);
        var first = await Ask<string[]>(Checks);
        var proven = await Partman.ApplyConstraintsAsync(Events, new ConstraintOptions { Validate = true }, cancellationToken: Token);

        unproven.Should().BeEquivalentTo([new ConstrainedColumn(QualifiedName.Parse("public.events_p0"), "at", ConstraintFate.Added)]);
        first.Should().ContainSingle().Which.Should().EndWith("NOT VALID");
        proven.Select(c => c.Outcome).Should().Equal(ConstraintFate.Validated);
        (await Ask<string[]>(Checks)).Should().ContainSingle().Which.Should().NotEndWith("NOT VALID");
    }

    [Fact]
    public async Task Where_rows_beyond_it_come_meanwhile_there_is_none()
    {
        await CreateAsync();
        var patient = Client(o => o.LockTimeout = TimeSpan.FromSeconds(30));
        await using var writer = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await writer.BeginTransactionAsync(Token);
        await using (var insert = new NpgsqlCommand("INSERT INTO events VALUES (5, '2030-01-01Z')", writer, transaction))
            await insert.ExecuteNonQueryAsync(Token);

        var running = patient.ApplyConstraintsAsync(Events, new ConstraintOptions { Columns = ["at"], Distance = 3 }, cancellationToken: Token);
        await Eventually.TrueAsync(async () => await Ask<long>("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'events_p0'::regclass") > 0, "the wait for the lock", cancellationToken: Token);
        await transaction.CommitAsync(Token);
        var done = await running;

        done.Select(c => c.Outcome).Should().Equal(ConstraintFate.WrittenMeanwhile);
        (await Ask<string[]>(Checks)).Should().BeEmpty();
        await Run("INSERT INTO events VALUES (5, '2031-01-01Z')");
    }

    [Fact]
    public async Task They_are_dropped_for_all_columns_or_for_some()
    {
        await CreateAsync();
        await Partman.ApplyConstraintsAsync(Events, new ConstraintOptions { Columns = ["at", "name"], Distance = 1 }, cancellationToken: Token);

        var some = await Partman.DropConstraintsAsync(Events, ["name"], Token);
        var rest = await Partman.DropConstraintsAsync(Events, cancellationToken: Token);

        some.Select(c => $"{c.Partition.Name.Value} {c.Column} {c.Outcome}").Should().Equal("events_p10 name Dropped", "events_p20 name Dropped");
        rest.Select(c => $"{c.Partition.Name.Value} {c.Column}").Should().Equal("events_p0 at", "events_p10 at", "events_p20 at");
        (await Ask<string[]>(Checks)).Should().BeEmpty();
    }

    [Fact]
    public async Task What_cannot_be_constrained_is_told_all_at_once()
    {
        await CreateAsync();

        var act = () => Partman.ApplyConstraintsAsync(Events, new ConstraintOptions { Columns = ["id", "odd", "nothing"] }, cancellationToken: Token);
        var none = () => Partman.ApplyConstraintsAsync(Events, cancellationToken: Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Text).Should().Equal(
            "Column 'odd' of type 'jsonb' has no order.", "There is no column 'nothing'.", "'id' is what it is partitioned by, and bounded already.");
        (await none.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain("No column is named");
    }

    [Fact]
    public async Task Hostile_names_and_long_ones_are_names_and_nothing_else()
    {
        const string Column = "c\"; DROP TABLE events; -- 'é€ %s %1$I";
        await Run($"CREATE TABLE events (id bigint NOT NULL, {PgIdentifier.Create(Column).Quoted} text, {PgIdentifier.Create(new string('l', 63)).Quoted} text) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events SELECT n, '%s '' \" \\ ' || n, n FROM generate_series(1, 25) n");

        var done = await Partman.ApplyConstraintsAsync(Events, new ConstraintOptions { Columns = [Column, new string('l', 63)], Distance = 1 }, cancellationToken: Token);
        var dropped = await Partman.DropConstraintsAsync(Events, cancellationToken: Token);

        done.Select(c => c.Outcome).Should().HaveCount(4).And.OnlyContain(o => o == ConstraintFate.Added);
        dropped.Should().HaveCount(4);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(25);
    }
}
