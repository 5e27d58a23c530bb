using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Interop;

/// <summary>Beside pg_partman 5, where the server has it.</summary>
public sealed class ExtensionTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly QualifiedName Others = QualifiedName.Parse("public.others");

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        var version = await Ask<string>("SELECT default_version FROM pg_available_extensions WHERE name = 'pg_partman'");
        Assert.SkipUnless(version?.StartsWith("5.", StringComparison.Ordinal) == true, $"The server offers pg_partman '{version}', and this needs 5.");
        await Run("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman");
    }

    [Theory]
    [InlineData("timestamptz", "at", "1 day")]
    [InlineData("timestamptz", "at", "1 month")]
    [InlineData("timestamptz", "at", "1 week")]
    [InlineData("timestamptz", "at", "1 hour")]
    [InlineData("bigint", "id", "10")]
    public async Task Both_make_and_maintain_the_same_partitions(string type, string control, string interval)
    {
        var isId = type == "bigint";
        foreach (var table in new[] { "events", "others" })
            await Run($"CREATE TABLE {table} (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE ({control})");

        await Partman.CreateAsync(Events, new PartitionSetOptions
        {
            Control = control, Interval = isId ? (PgInterval?)null : PgInterval.Parse(interval), IdInterval = isId ? 10 : null, Basis = isId ? PremakeBasis.Clock : PremakeBasis.NewestRow,
        }, Token);
        await Run($"SELECT partman.create_parent('public.others', '{control}', '{interval}')");
        var made = await SameAsync();
        foreach (var table in new[] { "events", "others" })
            await Run($"INSERT INTO {table} VALUES (25, now() + {(isId ? "interval '0'" : $"2 * interval '{interval}'")})");
        await MaintainAsync();
        await Run("CALL partman.run_maintenance_proc()");
        var maintained = await SameAsync();

        made.Should().HaveCountGreaterThan(4);
        maintained.Length.Should().Be(made.Length + 2);

        async Task<string[]> SameAsync()
        {
            var (ours, theirs) = (await BoundsAsync(), await BoundsAsync("others"));
            theirs.Select(b => b.Replace("others", "events", StringComparison.Ordinal)).Should().Equal(ours);
            return ours;
        }
    }

    [Fact]
    public async Task Each_maintains_the_sets_of_the_other()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id); CREATE TABLE others (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => (o.IdRetention, o.WhenExpired) = (5, ExpiredAction.Drop)), Token);
        await Run("SELECT partman.create_parent('public.others', 'id', '10'); UPDATE partman.part_config SET retention = '5', retention_keep_table = false WHERE parent_table = 'public.others'");
        await Run("INSERT INTO events SELECT generate_series(1, 25); INSERT INTO others SELECT generate_series(1, 25)");
        (await Partman.FindAsync(Others, Token)).Should().BeEquivalentTo(new { IsInExtension = true, IdInterval = 10L, IdRetention = 5L, WhenExpired = ExpiredAction.Drop });

        var ours = await Partman.MaintainAsync(Only(Others), cancellationToken: Token);
        await Run("CALL partman.run_maintenance_proc()");
        var again = await Partman.MaintainAsync(cancellationToken: Token);

        ours.Sets.Single().Error.Should().BeNull();
        again.AllSucceeded.Should().BeTrue();
        again.Sets.SelectMany(s => s.Changes).Should().BeEmpty();
        (await NamesAsync("events")).Should().Equal("events_default", "events_p20", "events_p30", "events_p40", "events_p50", "events_p60");
        (await NamesAsync("others")).Should().Equal("others_default", "others_p20", "others_p30", "others_p40", "others_p50", "others_p60");
    }

    [Theory]
    [InlineData("SELECT pg_advisory_xact_lock(hashtext('pg_partman run_maintenance'))")]
    [InlineData("SELECT pg_advisory_lock(hashtext('pg_partman run_maintenance procedure'))")]
    public async Task The_maintenance_of_the_extension_keeps_ours_out(string sql)
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (25)");
        await using var connection = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await connection.BeginTransactionAsync(Token);
        await using (var take = new Npgsql.NpgsqlCommand(sql, connection, transaction))
            await take.ExecuteNonQueryAsync(Token);

        await FluentActions.Awaiting(() => MaintainAsync()).Should().ThrowAsync<PartmanBusyException>();
        await FluentActions.Awaiting(() => Partman.FillGapsAsync(Events, Token)).Should().ThrowAsync<PartmanBusyException>();
        await FluentActions.Awaiting(() => Partman.DrainDefaultAsync(Events, cancellationToken: Token)).Should().ThrowAsync<PartmanBusyException>();
        (await NamesAsync()).Should().HaveCount(6);
    }

    [Fact]
    public async Task The_extension_works_in_the_zone_of_its_session_and_cannot_have_dots_in_names()
    {
        await Run("CREATE TABLE \"e.v\" (at timestamptz NOT NULL) PARTITION BY RANGE (at)");

        var act = () => Partman.CreateAsync(QualifiedName.Create("public", "e.v"), Daily(o => o.TimeZone = "Europe/Berlin"), Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Select(r => r.Reason).Should().BeEquivalentTo([InvalidDefinitionReason.TimeZone, InvalidDefinitionReason.Name]);
    }
}
