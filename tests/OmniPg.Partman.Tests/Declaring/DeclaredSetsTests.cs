using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Declaring;

public sealed class DeclaredSetsTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static Dictionary<QualifiedName, PartitionSetOptions> Declared(params (string Name, string? Value)[] more) => new()
    {
        [Events] = PartitionSetOptions.Parse([new("control", "id"), new("idInterval", "10"), .. more.Select(m => KeyValuePair.Create(m.Name, m.Value))]),
    };

    private Task<string> RowAsync() => Ask<string>("SELECT to_jsonb(g)::text || (SELECT string_agg(o.key || o.value, ' ' ORDER BY o.key) FROM omnipg_partman.part_option o) FROM omnipg_partman.part_config g");

    [Fact]
    public async Task A_set_is_made_changed_and_left_alone_as_it_is_declared()
    {
        await IdTableAsync();

        var plan = await Partman.PlanSetsAsync(Declared(("premake", "2")), Token);
        (await NamesAsync()).Should().BeEmpty();
        var made = await Partman.ApplySetsAsync(Declared(("premake", "2")), Token);
        var (names, row) = (await NamesAsync(), await RowAsync());
        var nothing = await Partman.PlanSetsAsync(Declared(("premake", "2")), Token);
        var again = await Partman.ApplySetsAsync(Declared(("premake", "2")), Token);
        var (namesAgain, rowAgain) = (await NamesAsync(), await RowAsync());
        var change = await Partman.PlanSetsAsync(Declared(("premake", "3"), ("idRetention", "50"), ("whenExpired", "drop"), ("automaticMaintenance", "false")), Token);
        var changed = await Partman.ApplySetsAsync(Declared(("premake", "3"), ("idRetention", "50"), ("whenExpired", "drop"), ("automaticMaintenance", "false")), Token);

        plan.Steps.Should().ContainSingle().Which.Kind.Should().Be("create-set");
        made.Should().BeEquivalentTo([new DeclaredSet(Events, DeclaredFate.Created, [])]);
        names.Should().Equal("events_default", "events_p0", "events_p10", "events_p20");
        nothing.IsEmpty.Should().BeTrue();
        again.Should().BeEquivalentTo([new DeclaredSet(Events, DeclaredFate.Unchanged, [])]);
        (namesAgain, rowAgain).Should().BeEquivalentTo((names, row));
        change.Steps.Should().ContainSingle().Which.Reason.Should().Be("'public.events': Premake '2' becomes '3', IdRetention '' becomes '50', WhenExpired 'Detach' becomes 'Drop', AutomaticMaintenance 'True' becomes 'False'.");
        changed.Should().BeEquivalentTo([new DeclaredSet(Events, DeclaredFate.Changed, ["Premake", "IdRetention", "WhenExpired", "AutomaticMaintenance"])]);
        (await Partman.FindAsync(Events, Token)).Should().Match<PartitionSet>(s => s.Premake == 3 && s.IdRetention == 50 && s.WhenExpired == ExpiredAction.Drop && !s.AutomaticMaintenance && s.IdInterval == 10);
        (await Partman.PlanSetsAsync(Declared(("premake", "3"), ("idRetention", "50"), ("whenExpired", "drop"), ("automaticMaintenance", "false")), Token)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task A_row_that_somebody_changes_at_the_same_moment_is_not_overwritten()
    {
        await IdTableAsync();
        await Partman.ApplySetsAsync(Declared(), Token);
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await other.BeginTransactionAsync(Token);
        await using (var change = new Npgsql.NpgsqlCommand("UPDATE omnipg_partman.part_config SET retention = '50', premake = 9", other, transaction))
            await change.ExecuteNonQueryAsync(Token);

        var applying = Client(o => o.LockTimeout = TimeSpan.FromSeconds(30)).ApplySetsAsync(Declared(("premake", "3")), Token);
        await Eventually.TrueAsync(() => Ask<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"), "the change waits", cancellationToken: Token);
        await transaction.CommitAsync(Token);

        await FluentActions.Awaiting(() => applying).Should().ThrowAsync<StalePlanException>();
        (await Partman.FindAsync(Events, Token)).Should().Match<PartitionSet>(s => s.Premake == 9 && s.IdRetention == 50);
    }

    [Fact]
    public async Task What_partitions_depend_on_is_not_changed_and_nothing_else_is_either()
    {
        await IdTableAsync();
        await Run("CREATE TABLE another (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.ApplySetsAsync(Declared(), Token);
        var before = await RowAsync();
        var wish = Declared(("retentionSchema", "nothere"), ("whenExpired", "move"));
        wish[Events].IdInterval = 100;
        wish[Events].TimeZone = "Europe/Berlin";
        wish[QualifiedName.Parse("public.another")] = new PartitionSetOptions { Control = "id", IdInterval = 10 };

        var failure = (await Partman.Awaiting(p => p.ApplySetsAsync(wish, Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;

        failure.Reasons.Select(r => r.Reason).Should().BeEquivalentTo([InvalidDefinitionReason.Fixed, InvalidDefinitionReason.Fixed, InvalidDefinitionReason.RetentionSchema]);
        failure.Message.Should().Contain("Its interval is '10', and '100' needs another set.");
        (await RowAsync()).Should().Be(before);
        (await NamesAsync("another")).Should().BeEmpty();
    }

    [Fact]
    public async Task A_table_with_partitions_is_no_set_for_having_been_declared()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id); CREATE TABLE a PARTITION OF events FOR VALUES FROM (0) TO (10)");

        (await Partman.Awaiting(p => p.ApplySetsAsync(Declared(), Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which
            .Reasons.Select(r => r.Reason).Should().Equal(InvalidDefinitionReason.HasPartitions);
    }

    [Fact]
    public async Task A_last_failure_and_the_anchor_of_a_set_outlive_a_change()
    {
        await DailyTableAsync();
        var wish = new Dictionary<QualifiedName, PartitionSetOptions> { [Events] = Daily(o => (o.TimeZone, o.Premake) = ("Europe/Berlin", 2)) };
        await Partman.ApplySetsAsync(wish, Token);
        await Run("INSERT INTO omnipg_partman.part_option VALUES ('public.events', 'last_failure', to_jsonb(now()))");
        var before = await Ask<string[]>("SELECT array_agg(key || value ORDER BY key) FROM omnipg_partman.part_option WHERE key <> 'premake_basis'");

        wish[Events].Basis = PremakeBasis.NewestRow;
        wish[Events].TimeZone = null;
        var changed = await Partman.ApplySetsAsync(wish, Token);

        changed.Single().Changed.Should().Equal("Basis");
        (await Ask<string[]>("SELECT array_agg(key || value ORDER BY key) FROM omnipg_partman.part_option WHERE key <> 'premake_basis'")).Should().Equal(before);
        (await Partman.FindAsync(Events, Token)).Should().Match<PartitionSet>(s => s.TimeZone == "Europe/Berlin" && s.Basis == PremakeBasis.NewestRow);
    }

    [Fact]
    public void Every_property_of_a_set_can_be_declared()
    {
        var properties = typeof(PartitionSetOptions).GetProperties();
        var texts = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["Control"] = "at", ["Kind"] = "uuidv7", ["Interval"] = "1 day", ["IdInterval"] = "7", ["TimeZone"] = "Europe/Berlin", ["Premake"] = "9", ["Basis"] = "newestRow", ["Start"] = "2026-01-31",
            ["IdStart"] = "-5", ["IdOffset"] = "3", ["TruncateTo"] = "week", ["StartExactly"] = "true", ["DefaultPartition"] = "false", ["AllowNull"] = "true", ["Template"] = "app.t", ["Retention"] = "90 days",
            ["IdRetention"] = "8", ["RetentionCount"] = "5", ["HashColumn"] = "tenant", ["HashPartitions"] = "4", ["RetentionBytes"] = "4096", ["WhenExpired"] = "Move", ["RetentionSchema"] = "old", ["KeepIndexes"] = "false", ["KeepInPublications"] = "true", ["InheritPrivileges"] = "true",
            ["AutomaticMaintenance"] = "false", ["MaintenanceOrder"] = "2", ["SubPartitions:Control"] = "id",
        };
        texts.Keys.Select(k => k.Split(':')[0]).Should().BeEquivalentTo(properties.Select(p => p.Name));

        var (parsed, usual) = (PartitionSetOptions.Parse(texts.Select(t => KeyValuePair.Create(t.Key, (string?)t.Value))), new PartitionSetOptions());

        properties.Where(p => Equals(p.GetValue(parsed), p.GetValue(usual))).Should().BeEmpty();
        parsed.Start.Should().Be(new DateTimeOffset(2026, 1, 31, 0, 0, 0, TimeSpan.Zero));
        parsed.Kind.Should().Be(PartitionKeyKind.UuidV7);
    }

    [Theory]
    [InlineData("premak", "4", "'premak' cannot be '4': A set has no such property.")]
    [InlineData("whenExpired", "burn", "'whenExpired' cannot be 'burn': It is none of Detach, Move, Drop, Archive.")]
    [InlineData("basis", "1", "'basis' cannot be '1': It is none of Clock, NewestRow.")]
    [InlineData("CONTROL", "id", "'CONTROL' stands there twice.")]
    public void What_is_declared_wrong_is_told_by_its_name(string name, string value, string message)
    {
        var act = () => PartitionSetOptions.Parse([new("control", "id"), new(name, value)]);

        act.Should().Throw<FormatException>().WithMessage(message);
    }
}
