using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

/// <summary>Partitions that are split by a hash come, fill, and go as one.</summary>
public sealed class HashSplitTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static PartitionSetOptions Split(Action<PartitionSetOptions>? configure = null) => Tens(o =>
    {
        (o.HashColumn, o.HashPartitions) = ("tenant", 3);
        configure?.Invoke(o);
    });

    private Task TableAsync(string more = "") => Run($"CREATE TABLE events (id bigint NOT NULL, tenant text NOT NULL, note text{more}) PARTITION BY RANGE (id)");

    private Task<string[]> LeavesAsync(string partition) => Ask<string[]>(
        $"SELECT COALESCE(array_agg(c.relname || ' ' || pg_get_expr(c.relpartbound, c.oid) ORDER BY c.relname), '{{}}') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '{partition}'::regclass");

    [Fact]
    public async Task Partitions_of_the_start_and_of_maintenance_are_split_and_take_all_rows()
    {
        await TableAsync(", PRIMARY KEY (id, tenant)");
        await Run("CREATE TABLE form (LIKE events) WITH (fillfactor = 60)");
        await Partman.CreateAsync(Events, Split(o => (o.Premake, o.Template, o.IdRetention, o.WhenExpired) = (1, QualifiedName.Parse("public.form"), 15, ExpiredAction.Drop)), Token);
        await Run("INSERT INTO events SELECT n, 't' || n % 7, n FROM generate_series(1, 15) n");
        var places = await Ask<long>("SELECT count(DISTINCT tableoid) FROM events WHERE id BETWEEN 10 AND 15");

        var made = await MaintainAsync();
        var leaves = await LeavesAsync("events_p20");
        await Run("INSERT INTO events VALUES (25, 't1', 'more'), (35, 't2', 'default')");
        var drained = await Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        var retired = await MaintainAsync();

        made.Error.Should().BeNull();
        leaves.Should().Equal("events_p20_h0 FOR VALUES WITH (modulus 3, remainder 0)", "events_p20_h1 FOR VALUES WITH (modulus 3, remainder 1)", "events_p20_h2 FOR VALUES WITH (modulus 3, remainder 2)");
        drained.Select(c => c.Partition.Name.Value).Should().Equal("events_p30");
        (await LeavesAsync("events_p30")).Should().HaveCount(3);
        places.Should().BeGreaterThan(1);
        (await Ask<string[]>("SELECT array_agg(DISTINCT array_to_string(reloptions, ',')) FROM pg_class WHERE relname ~ '_h[0-9]$' AND relkind = 'r'")).Should().Equal("fillfactor=60");
        retired.Error.Should().BeNull();
        retired.Changes.Where(c => c.Fate == PartitionFate.Drop).Select(c => c.Partition.Name.Value).Should().Equal("events_p0", "events_p10");
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname ~ '^events_p[01]0?_'")).Should().Be(0);
        (await Ask<string[]>("SELECT array_agg(note ORDER BY id) FROM events")).Should().Equal("more", "default");
        (await Partman.CheckAsync(Token)).Findings.Should().BeEmpty();
        (await Partman.FindAsync(Events, Token)).Should().Match<PartitionSet>(s => s.HashColumn == "tenant" && s.HashPartitions == 3);
    }

    [Theory]
    [InlineData(ExpiredAction.Detach)]
    [InlineData(ExpiredAction.Move)]
    public async Task A_partition_that_retires_keeps_its_tables(ExpiredAction action)
    {
        await TableAsync();
        await Run("CREATE SCHEMA old");
        await Partman.CreateAsync(Events, Split(o => (o.DefaultPartition, o.RetentionCount, o.WhenExpired, o.RetentionSchema) = (false, 1, action, action == ExpiredAction.Move ? "old" : null)), Token);
        await Run("INSERT INTO events SELECT n, 't' || n % 7 FROM generate_series(1, 15) n");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        (await Ask<long>($"SELECT count(*) FROM {(action == ExpiredAction.Move ? "old" : "public")}.events_p0")).Should().Be(9);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(6);
    }

    [Fact]
    public async Task Names_of_long_tables_stay_apart()
    {
        var table = QualifiedName.Create("public", new string('x', 63));
        await Run($"CREATE TABLE {table.Quoted} (id bigint NOT NULL, tenant text) PARTITION BY RANGE (id)");

        await Partman.CreateAsync(table, Split(), Token);

        (await Ask<long>("SELECT count(DISTINCT relname) FROM pg_class WHERE relname ~ '^x+_p[0-9]+_h[0-2]$'")).Should().Be(15);
    }

    [Theory]
    [InlineData("nothing", ", x int", "there is no such column.")]
    [InlineData("odd", ", odd money", "type 'money' has no hash.")]
    [InlineData("tenant", ", PRIMARY KEY (id)", "unique index 'events_pkey' does not hold it.")]
    public async Task What_cannot_be_split_is_refused_and_nothing_is_made(string column, string more, string reason)
    {
        await TableAsync(more);

        var act = () => Partman.CreateAsync(Events, Split(o => o.HashColumn = column), Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain($"Its partitions cannot be split by the hash of '{column}': {reason}");
        (await Ask<bool>("SELECT to_regnamespace('omnipg_partman') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task How_partitions_are_split_is_fixed_and_excludes_other_levels()
    {
        await TableAsync();
        await Partman.CreateAsync(Events, Split(), Token);
        Task<IReadOnlyList<DeclaredSet>> ApplyAsync(PartitionSetOptions wish) => Partman.ApplySetsAsync(new Dictionary<QualifiedName, PartitionSetOptions> { [Events] = wish }, Token);

        (await ApplyAsync(Split())).Single().Outcome.Should().Be(DeclaredFate.Unchanged);
        var other = () => ApplyAsync(Split(o => o.HashPartitions = 4));
        var below = () => Partman.SubPartitionAsync(Events, new PartitionSetOptions { Control = "tenant", IdInterval = 5 }, cancellationToken: Token);
        var repartition = () => Partman.RepartitionAsync(Events, new RepartitionOptions { IdInterval = 20 }, cancellationToken: Token);

        (await other.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain("Its split of partitions is '3 by the hash of tenant', and '4 by the hash of tenant' needs another set.");
        await below.Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>();
        await repartition.Should().ThrowAsync<InvalidPartitionDefinitionException>();
    }
}
