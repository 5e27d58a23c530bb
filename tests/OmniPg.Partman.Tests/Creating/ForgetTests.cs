using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

public sealed class ForgetTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private Task<string[]> ConfiguredAsync() => Ask<string[]>("SELECT COALESCE(array_agg(DISTINCT t ORDER BY t), '{}') FROM (SELECT parent_table FROM omnipg_partman.part_config UNION ALL SELECT parent_table FROM omnipg_partman.part_option) AS x (t)");

    private static PartitionSetOptions Monthly() => new() { Control = "at", Interval = PgInterval.OfMonths(1), Premake = 1, SubPartitions = Daily(o => o.Premake = 1) };

    [Fact]
    public async Task A_set_is_forgotten_and_its_tables_stay()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);

        (await Partman.ForgetAsync(Events, Token)).Should().BeTrue();

        (await Partman.FindAsync(Events, Token)).Should().BeNull();
        (await Partman.ForgetAsync(Events, Token)).Should().BeFalse();
        (await NamesAsync()).Should().HaveCount(6);
        await FluentActions.Awaiting(() => Partman.ListPartitionsAsync(Events, Token)).Should().ThrowAsync<PartitionSetNotFoundException>();
    }

    [Fact]
    public async Task A_set_that_is_forgotten_takes_its_branches_along_and_leaves_their_tables()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)");
        await Partman.CreateAsync(Events, Monthly(), Token);
        await Run("CREATE TABLE other (id bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(QualifiedName.Parse("public.other"), Tens(), Token);
        var (tables, configured) = (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'events%'"), (await ConfiguredAsync()).Length);

        var forgotten = await Partman.ForgetAsync(Events, Token);

        configured.Should().BeGreaterThan(3);
        forgotten.Should().BeTrue();
        (await ConfiguredAsync()).Should().Equal("public.other");
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.part_config_sub")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname LIKE 'events%'")).Should().Be(tables);
        (await Partman.ForgetAsync(Events, Token)).Should().BeFalse();
    }

    [Fact]
    public async Task A_set_is_not_forgotten_while_somebody_works_on_one_of_its_branches()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at)");
        await Partman.CreateAsync(Events, Monthly(), Token);
        var configured = await ConfiguredAsync();
        var branch = configured.First(c => c != "public.events");
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        await using (var hold = new Npgsql.NpgsqlCommand($"SELECT pg_advisory_lock(hashtext('omnipg partman'), hashtext('{branch}'))", other))
            await hold.ExecuteNonQueryAsync(Token);

        var busy = (await Partman.Awaiting(p => p.ForgetAsync(Events, Token)).Should().ThrowAsync<PartmanBusyException>()).Which;
        var still = await ConfiguredAsync();
        await using (var release = new Npgsql.NpgsqlCommand("SELECT pg_advisory_unlock_all()", other))
            await release.ExecuteNonQueryAsync(Token);
        var forgotten = await Partman.ForgetAsync(Events, Token);

        busy.Table.Should().Be(QualifiedName.Parse(branch));
        still.Should().Equal(configured);
        forgotten.Should().BeTrue();
        (await ConfiguredAsync()).Should().BeEmpty();
    }
}
