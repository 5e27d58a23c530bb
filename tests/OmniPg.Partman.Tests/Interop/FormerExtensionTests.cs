using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Interop;

/// <summary>Sets of pg_partman 4, where the server has it.</summary>
public sealed class FormerExtensionTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        var version = await Ask<string>("SELECT COALESCE(max(default_version), 'none') FROM pg_available_extensions WHERE name = 'pg_partman'");
        Assert.SkipUnless(version.StartsWith("4.", StringComparison.Ordinal), $"The server offers pg_partman '{version}', and this needs 4.");
        await Run("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman");
    }

    [Fact]
    public async Task A_set_with_a_trigger_becomes_declarative_with_what_its_row_says()
    {
        await Run("CREATE TABLE events (id bigserial PRIMARY KEY, at timestamptz NOT NULL, note text); CREATE INDEX by_at ON events (at)");
        await Run("SELECT partman.create_parent('public.events', 'at', 'partman', 'daily', p_premake => 3)");
        await Run("UPDATE partman.part_config SET retention = '5 days', retention_keep_table = false; INSERT INTO events (at, note) SELECT now() + n * interval '12 hours', 'n' || n FROM generate_series(-4, 4) n");
        var tables = await Ask<long>("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass");
        var own = Client(o => o.Store = PartmanStore.Own);

        await Partman.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<PartmanStoreException>();
        var done = await own.AdoptAsync(Events, cancellationToken: Token);
        var run = await MaintainAsync(client: own);
        await Run("SELECT partman.run_maintenance()");

        done.Kind.Should().Be(AdoptedKind.Inheritance);
        done.Set.Should().Match<PartitionSet>(s => s.Control == "at" && s.Interval == PgInterval.OfDays(1) && s.Premake == 3 && s.Retention == PgInterval.OfDays(5) && s.WhenExpired == ExpiredAction.Drop && !s.IsInExtension);
        done.Partitions.Count.Should().Be((int)tables + 1);
        run.Error.Should().BeNull();
        (await Ask<string>("SELECT relkind::text || (SELECT count(*) FROM events) || (SELECT count(*) FROM ONLY events_default) || (SELECT count(*) FROM partman.part_config) FROM pg_class WHERE oid = 'events'::regclass")).Should().Be("p900");
    }

    [Fact]
    public async Task A_native_set_goes_on_with_the_next_boundary()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id)");
        await Run("SELECT partman.create_parent('public.events', 'id', 'native', '10', p_premake => 2); INSERT INTO events SELECT generate_series(1, 25); UPDATE partman.part_config SET automatic_maintenance = 'off'");
        var own = Client(o => o.Store = PartmanStore.Own);
        var highest = (await NamesAsync()).Where(n => n != "events_default").Max(n => int.Parse(n["events_p".Length..], System.Globalization.CultureInfo.InvariantCulture));

        var done = await own.AdoptAsync(Events, cancellationToken: Token);
        var run = await MaintainAsync(client: own);

        done.Should().Match<Adoption>(a => a.Kind == AdoptedKind.Declarative && a.Set.IdInterval == 10 && a.Set.Premake == 2 && !a.Set.AutomaticMaintenance);
        run.Error.Should().BeNull();
        (await NamesAsync()).Should().Contain("events_p40").And.NotContain("events_p50");
        highest.Should().BeLessThan(40);
        (await Ask<long>("SELECT count(*) FROM partman.part_config")).Should().Be(0);
    }

    [Fact]
    public async Task A_template_with_a_dot_in_its_name_goes_along_and_what_the_row_says_wrongly_is_told()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id); SELECT partman.create_parent('public.events', 'id', 'native', '10', p_premake => 2)");
        await Run("""CREATE TABLE "te.mp" (LIKE events); CREATE UNIQUE INDEX ON "te.mp" (id); UPDATE partman.part_config SET template_table = 'public.te.mp', retention = 'a while'""");
        var own = Client(o => o.Store = PartmanStore.Own);

        var wrong = (await own.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Run("UPDATE partman.part_config SET retention = NULL, template_table = 'public.te.nothing'");
        var missing = (await own.Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Run("UPDATE partman.part_config SET template_table = 'public.te.mp'");
        var done = await own.AdoptAsync(Events, cancellationToken: Token);

        wrong.Reasons.Should().ContainSingle().Which.Text.Should().Contain("says retention 'a while'");
        missing.Reasons.Should().ContainSingle().Which.Reason.Should().Be(InvalidDefinitionReason.Template);
        done.Set.Template.Should().Be(QualifiedName.Create("public", "te.mp"));
    }

    [Fact]
    public async Task A_set_that_is_being_undone_is_left_to_the_extension()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Run("SELECT partman.create_parent('public.events', 'id', 'native', '10'); UPDATE partman.part_config SET undo_in_progress = true");

        var failure = (await Client(o => o.Store = PartmanStore.Own).Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;

        failure.Reasons.Should().ContainSingle().Which.Text.Should().Contain("undo_in_progress");
        (await Ask<long>("SELECT count(*) FROM partman.part_config")).Should().Be(1);
    }

    [Fact]
    public async Task A_set_whose_partitions_are_split_further_is_left_to_the_extension()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (id)");
        await Run("SELECT partman.create_parent('public.events', 'id', 'native', '100'); SELECT partman.create_sub_parent('public.events', 'id', 'native', '10', p_native_check => 'yes')");

        var failure = (await Client(o => o.Store = PartmanStore.Own).Awaiting(p => p.AdoptAsync(Events, cancellationToken: Token)).Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;

        failure.Reasons.Should().OnlyContain(r => r.Reason == InvalidDefinitionReason.Unsupported);
        (await Ask<long>("SELECT count(*) FROM partman.part_config WHERE parent_table = 'public.events'")).Should().Be(1);
    }
}
