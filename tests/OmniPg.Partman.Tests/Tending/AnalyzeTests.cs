using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Tending;

public sealed class AnalyzeTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Known = "SELECT array_agg(DISTINCT c.relname::text ORDER BY c.relname::text) FROM pg_statistic s JOIN pg_class c ON c.oid = s.starelid WHERE c.relnamespace = 'public'::regnamespace";

    private async Task SetsAsync()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id); CREATE TABLE orders (id bigint NOT NULL, kind bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Partman.CreateAsync(QualifiedName.Parse("public.orders"), Tens(o => (o.Premake, o.SubPartitions) = (1, new PartitionSetOptions { Control = "kind", IdInterval = 5, Premake = 1, DefaultPartition = false })), Token);
        await Run("INSERT INTO events SELECT n, 'n' || n FROM generate_series(1, 15) n; INSERT INTO orders SELECT n, 1 FROM generate_series(1, 15) n");
    }

    [Fact]
    public async Task All_sets_are_analyzed_with_all_their_partitions_and_branches_come_with_theirs()
    {
        await SetsAsync();
        var told = new List<AnalyzedSet>();

        var one = await Partman.AnalyzeAsync(Events, cancellationToken: Token);
        var first = await Ask<string[]>(Known);
        var all = await Partman.AnalyzeAsync(progress: new Watch(told.Add), cancellationToken: Token);

        one.Should().ContainSingle().Which.Should().BeEquivalentTo(new AnalyzedSet(Events, AnalyzeFate.Analyzed, []));
        first.Should().Equal("events", "events_p0", "events_p10");
        all.Select(s => (s.Table.Name.Value, s.Outcome)).Should().Equal(("events", AnalyzeFate.Analyzed), ("orders", AnalyzeFate.Analyzed));
        told.Should().Equal(all);
        (await Ask<string[]>(Known)).Should().Equal("events", "events_p0", "events_p10", "orders", "orders_p0", "orders_p0_p0", "orders_p10", "orders_p10_p0");
        (await Ask<double>("SELECT reltuples::float8 FROM pg_class WHERE relname = 'events'")).Should().Be(15);
    }

    [Fact]
    public async Task What_somebody_holds_is_passed_over_where_that_is_wished_and_told()
    {
        await SetsAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE events_p10 IN SHARE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);

        var set = (await Partman.AnalyzeAsync(Events, skipLocked: true, cancellationToken: Token)).Single();

        set.Outcome.Should().Be(AnalyzeFate.Partly);
        set.PassedOver.Should().Equal(QualifiedName.Parse("public.events_p10"));
        (await Ask<string[]>(Known)).Should().Contain("events_p0").And.NotContain("events_p10");
    }

    [Fact]
    public async Task A_set_that_somebody_holds_itself_is_told_among_what_was_left_out()
    {
        await SetsAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE ONLY events IN SHARE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);

        var set = (await Partman.AnalyzeAsync(Events, skipLocked: true, cancellationToken: Token)).Single();

        set.Outcome.Should().Be(AnalyzeFate.Partly);
        set.PassedOver.Should().Contain(Events);
    }

    [Fact]
    public async Task A_role_that_may_maintain_a_set_analyzes_it_without_owning_it()
    {
        Assert.SkipUnless(await Ask<int>("SELECT current_setting('server_version_num')::int") >= 170000, "There is no right to MAINTAIN before PostgreSQL 17.");
        await SetsAsync();
        await Run("DO $$ BEGIN CREATE ROLE maintainer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT USAGE ON SCHEMA omnipg_partman TO maintainer; GRANT SELECT ON ALL TABLES IN SCHEMA omnipg_partman TO maintainer; GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO maintainer");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = "maintainer" }.ConnectionString);

        (await new PartmanClient(source).AnalyzeAsync(Events, cancellationToken: Token)).Should().ContainSingle().Which.Outcome.Should().Be(AnalyzeFate.Analyzed);
    }

    [Fact]
    public async Task A_set_of_another_role_is_told_and_does_not_keep_the_others_waiting()
    {
        await SetsAsync();
        await Run("DO $$ BEGIN CREATE ROLE analyst LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT USAGE, CREATE ON SCHEMA public TO analyst; ALTER TABLE orders OWNER TO analyst; GRANT USAGE ON SCHEMA omnipg_partman TO analyst; GRANT SELECT ON ALL TABLES IN SCHEMA omnipg_partman TO analyst");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = "analyst" }.ConnectionString);

        var sets = await new PartmanClient(source).AnalyzeAsync(cancellationToken: Token);

        sets.Select(s => (s.Table.Name.Value, s.Outcome)).Should().Equal(("events", AnalyzeFate.NotOwned), ("orders", AnalyzeFate.Partly));
        sets[1].PassedOver.Select(p => p.Name.Value).Should().Equal("orders_default", "orders_p0", "orders_p0_p0", "orders_p0_p5", "orders_p10", "orders_p10_p0", "orders_p10_p5");
        (await Ask<string[]>(Known)).Should().Equal("orders");
        await Partman.Awaiting(p => p.AnalyzeAsync(QualifiedName.Parse("public.nothing"), cancellationToken: Token)).Should().ThrowAsync<PartitionSetNotFoundException>();
    }

    private sealed class Watch(Action<AnalyzedSet> act) : IProgress<AnalyzedSet>
    {
        public void Report(AnalyzedSet value) => act(value);
    }
}
