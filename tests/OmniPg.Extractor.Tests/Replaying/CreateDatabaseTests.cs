using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Replaying;

public sealed class CreateDatabaseTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Database_is_built_again_under_its_name_with_settings_grants_and_comment(bool singleTransaction)
    {
        using var work = new ExtractionCase();
        var name = $"Shop {Guid.NewGuid():N}";
        var quoted = PgIdentifier.Create(name).Quoted;
        await using (var database = await fixture.Cluster.CreateDatabaseAsync(name, cancellationToken: TestContext.Current.CancellationToken))
        {
            await database.ExecuteAsync($"CREATE TABLE t (id integer); INSERT INTO t VALUES (7); ALTER DATABASE {quoted} SET work_mem = '7MB'; "
                + $"COMMENT ON DATABASE {quoted} IS 'shop'; REVOKE CONNECT ON DATABASE {quoted} FROM PUBLIC", TestContext.Current.CancellationToken);
            await work.ExtractAsync(database.DataSource, "tree", o => o.Data = new DataOptions());
        }

        var report = await work.Tree("tree").ReplayAsync(
            fixture.Cluster.DataSource, new() { CreateDatabase = true, SingleTransaction = singleTransaction }, TestContext.Current.CancellationToken);

        try
        {
            await using var again = Npgsql.NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(name) + ";Pooling=false");
            var diff = await work.Tree("tree").DiffAsync(again, cancellationToken: TestContext.Current.CancellationToken);
            await using var command = again.CreateCommand("SELECT id || ' ' || current_setting('work_mem') FROM t");
            (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken)).Should().Be("7 7MB");
            diff.Objects.Should().BeEmpty();
            report.OutsideTransaction.Should().BeEquivalentTo("DATABASE database", $"COMMENT DATABASE {quoted}", "DATABASE PROPERTIES database", $"ACL DATABASE {quoted}");
        }
        finally
        {
            await fixture.Cluster.ExecuteAsync($"DROP DATABASE {quoted} WITH (FORCE)", TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task Missing_role_is_noticed_before_the_database_exists()
    {
        using var work = new ExtractionCase();
        var role = "ghost_" + Guid.NewGuid().ToString("N");
        string name;
        await using (var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken))
        {
            name = database.Name;
            await database.ExecuteAsync($"CREATE ROLE {role}; CREATE TABLE t (id integer); ALTER TABLE t OWNER TO {role}", TestContext.Current.CancellationToken);
            await work.ExtractAsync(database.DataSource, "tree");
            await database.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}", TestContext.Current.CancellationToken);
        }

        var act = () => work.Tree("tree").ReplayAsync(fixture.Cluster.DataSource, new() { CreateDatabase = true }, TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<ReplayRefusedException>()).Which.Names.Should().Equal(role);
        (await fixture.Cluster.ScalarAsync<long>($"SELECT count(*) FROM pg_database WHERE datname = '{name}'", TestContext.Current.CancellationToken)).Should().Be(0);
    }

    [Fact]
    public async Task Tree_without_the_database_itself_is_refused()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await work.ExtractAsync(database.DataSource, "tree", o => o.Kinds &= ~ObjectKinds.Database);

        var act = () => work.Tree("tree").ReplayAsync(fixture.Cluster.DataSource, new() { CreateDatabase = true }, TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<ExtractorOptionException>()).WithMessage("The tree says nothing about the database itself.*");
    }
}
