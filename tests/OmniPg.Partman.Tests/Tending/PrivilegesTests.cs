using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Tending;

public sealed class PrivilegesTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Roles =
        "DO $$ DECLARE r text; BEGIN FOREACH r IN ARRAY ARRAY['part_owner', 'part_reader', 'part_writer', 'part_friend'] LOOP IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN EXECUTE 'CREATE ROLE ' || r || ' LOGIN'; END IF; END LOOP; END $$";

    private Task<string> OfAsync(string table) => Ask<string>(
        $"""
         SELECT pg_get_userbyid(c.relowner) || ': ' || COALESCE((SELECT string_agg(x.t, ', ' ORDER BY x.t)
             FROM (SELECT DISTINCT concat(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END, ' ', privilege_type, CASE WHEN is_grantable THEN '*' END) FROM aclexplode(c.relacl) WHERE grantee <> c.relowner) x (t)), '') FROM pg_class c WHERE c.oid = '{table}'::regclass
         """);

    private async Task SetAsync()
    {
        await Run(Roles + "; GRANT USAGE, CREATE ON SCHEMA public TO part_owner; CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 2), Token);
    }

    [Fact]
    public async Task Every_partition_gets_the_owner_and_exactly_the_grants_of_the_set()
    {
        await SetAsync();
        await Run("""
            ALTER TABLE events OWNER TO part_owner; GRANT SELECT ON events TO PUBLIC; GRANT INSERT, UPDATE ON events TO part_writer WITH GRANT OPTION; GRANT DELETE ON events TO part_writer;
            GRANT TRUNCATE ON events_p0 TO part_reader; GRANT SELECT ON events_p10 TO part_friend WITH GRANT OPTION; SET ROLE part_friend; GRANT SELECT ON events_p10 TO part_reader; RESET ROLE;
            ALTER TABLE events_p20 OWNER TO part_owner; SET ROLE part_owner; GRANT SELECT ON events_p20 TO PUBLIC; GRANT INSERT, UPDATE ON events_p20 TO part_writer WITH GRANT OPTION; GRANT DELETE ON events_p20 TO part_writer; RESET ROLE;
            GRANT UPDATE (note) ON events_p0 TO part_reader;
            """);
        var (set, version) = (await OfAsync("events"), await Ask<string>("SELECT xmin::text FROM pg_class WHERE relname = 'events_p20'"));

        var plan = await Partman.PlanPrivilegesAsync(Events, Token);
        var changed = await Partman.ReapplyPrivilegesAsync(Events, cancellationToken: Token);
        var again = await Partman.ReapplyPrivilegesAsync(Events, cancellationToken: Token);

        set.Should().Be("part_owner: PUBLIC SELECT, part_writer DELETE, part_writer INSERT*, part_writer UPDATE*");
        foreach (var partition in await NamesAsync())
            (await OfAsync(partition)).Should().Be(set, partition);
        changed.Select(c => c.Name.Value).Should().Equal("events_default", "events_p0", "events_p10");
        plan.Steps.Select(s => s.Reason).Should().Equal(changed.Select(c => $"'{c}' gets the owner and the grants of 'public.events'."));
        again.Should().BeEmpty();
        (await Ask<string>("SELECT xmin::text FROM pg_class WHERE relname = 'events_p20'")).Should().Be(version, "it had all of it");
        (await Ask<bool>("SELECT has_column_privilege('part_reader', 'events_p0', 'note', 'UPDATE')")).Should().BeTrue("rights on columns stay");
    }

    [Fact]
    public async Task Rights_that_the_owner_has_taken_from_himself_are_his_nowhere()
    {
        await SetAsync();
        await Run("ALTER TABLE events OWNER TO part_owner; ALTER TABLE events_p0 OWNER TO part_owner; ALTER TABLE events_p10 OWNER TO part_owner; ALTER TABLE events_p20 OWNER TO part_owner; ALTER TABLE events_default OWNER TO part_owner; SET ROLE part_owner; REVOKE DELETE ON events FROM part_owner; RESET ROLE");

        await Partman.ReapplyPrivilegesAsync(Events, cancellationToken: Token);

        (await Ask<bool>("SELECT bool_or(has_table_privilege('part_owner', c.oid, 'DELETE')) FROM pg_class c WHERE c.relname LIKE 'events%' AND c.relkind IN ('r', 'p')")).Should().BeFalse();
        (await Ask<bool>("SELECT bool_and(has_table_privilege('part_owner', c.oid, 'INSERT')) FROM pg_class c WHERE c.relname LIKE 'events%' AND c.relkind IN ('r', 'p')")).Should().BeTrue();
        (await Partman.PlanPrivilegesAsync(Events, Token)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task Partitions_of_partitions_get_them_as_well_and_readers_do_not_wait()
    {
        await Run(Roles + "; CREATE TABLE events (id bigint NOT NULL, kind bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => (o.Premake, o.SubPartitions) = (1, new PartitionSetOptions { Control = "kind", IdInterval = 5, Premake = 1 })), Token);
        await Run("GRANT SELECT ON events TO part_reader");
        await using var reader = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await reader.BeginTransactionAsync(Token);
        await using (var read = new NpgsqlCommand("INSERT INTO events VALUES (1, 1); SELECT count(*) FROM events", reader, transaction))
            await read.ExecuteNonQueryAsync(Token);

        var changed = await Partman.ReapplyPrivilegesAsync(Events, cancellationToken: Token);

        changed.Select(c => c.Name.Value).Should().Contain(["events_p0", "events_p0_p0", "events_p0_default", "events_default"]).And.HaveCount(9);
        (await Ask<bool>("SELECT bool_and(has_table_privilege('part_reader', t.relid, 'SELECT')) FROM pg_partition_tree('events') t")).Should().BeTrue();
    }

    [Theory]
    [InlineData("")]
    [InlineData("ALTER TABLE events OWNER TO part_owner;")]
    public async Task Foreign_tables_among_the_partitions_get_them_as_well(string owner)
    {
        await SetAsync();
        await Run($"""
            CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far_away FOREIGN DATA WRAPPER nowhere; CREATE FOREIGN TABLE events_far PARTITION OF events FOR VALUES FROM (1000) TO (1010) SERVER far_away;
            {owner} GRANT SELECT ON events TO part_reader; GRANT INSERT ON events_far TO part_writer;
            """);

        var changed = await Partman.ReapplyPrivilegesAsync(Events, cancellationToken: Token);

        changed.Select(c => c.Name.Value).Should().Contain("events_far").And.Contain("events_p0");
        (await OfAsync("events_far")).Should().Be(await OfAsync("events")).And.EndWith(": part_reader SELECT");
        (await Partman.PlanPrivilegesAsync(Events, Token)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task A_partition_of_somebody_else_is_told_with_the_statement_that_helps_and_nothing_is_changed()
    {
        await SetAsync();
        await Run("ALTER TABLE events OWNER TO part_owner; ALTER TABLE events_p0 OWNER TO part_owner; GRANT USAGE ON SCHEMA omnipg_partman TO part_owner; GRANT SELECT ON ALL TABLES IN SCHEMA omnipg_partman TO part_owner; GRANT SELECT ON events TO part_reader");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = "part_owner" }.ConnectionString);

        var act = () => new PartmanClient(source).ReapplyPrivilegesAsync(Events, cancellationToken: Token);

        (await act.Should().ThrowAsync<PartmanPrivilegeException>()).Which.MissingGrants.Should().Equal("ALTER TABLE \"public\".\"events_default\" OWNER TO \"part_owner\";");
        (await OfAsync("events_p0")).Should().Be("part_owner: ");
    }
}
