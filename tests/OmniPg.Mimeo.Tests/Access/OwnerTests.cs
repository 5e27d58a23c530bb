using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Tables that belong to another role than the one that fills them.</summary>
public sealed class OwnerTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Dml)]
    public async Task What_a_set_up_makes_belongs_to_the_role_that_was_named_and_is_refreshed_by_its_member(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        var (owner, keeper) = ($"owner_{Guid.NewGuid():N}", $"keeper_{Guid.NewGuid():N}");
        await mimeo.Databases.AtDestinationAsync(
            $"CREATE ROLE {owner}; CREATE ROLE {keeper} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA omnipg_mimeo TO {keeper}; GRANT USAGE ON SCHEMA omnipg_mimeo TO {keeper}; CREATE SCHEMA dw AUTHORIZATION {keeper}; GRANT EXECUTE ON FUNCTION pg_control_system() TO {keeper}");
        await using var destination = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(mimeo.Databases.Destination.ConnectionString) { Username = keeper }.ConnectionString);
        var client = new MimeoClient(destination);
        var spec = new ReplicationSpec { Kind = kind, From = "erp", Source = QualifiedName.Parse("public.t"), Destination = QualifiedName.Parse("dw.t") };
        var creating = () => client.CreateAsync(spec, new CreateOptions { Owner = owner }, cancellationToken: TestContext.Current.CancellationToken);

        (await creating.Should().ThrowAsync<MimeoPermissionException>()).Which.Message.Should().Contain(
            $"may not give 'dw.t' to role '{owner}'. Hint: Run as owner: GRANT {owner} TO {keeper}; GRANT CREATE ON SCHEMA dw TO {owner};");
        await mimeo.Databases.AtDestinationAsync($"GRANT {owner} TO {keeper}; GRANT CREATE ON SCHEMA dw TO {owner}");
        await creating();

        (await OwnersAsync()).Should().Be(owner);
        await mimeo.AddRowsAsync("t", 10_001, 10_100);
        await mimeo.Databases.AtSourceAsync(kind == ReplicationKind.Snapshot ? "ALTER TABLE t ADD more int" : "SELECT 1");
        for (var round = 0; round < 2; round++)
            await client.RefreshAsync(spec.Target, kind == ReplicationKind.Snapshot ? new RefreshOptions { SkipUnchanged = false } : null, cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM dw.t");
        (await OwnersAsync()).Should().Be(owner);

        Task<string> OwnersAsync() => mimeo.Databases.DestinationAsync<string>("SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ' ') FROM pg_class WHERE relnamespace = 'dw'::regnamespace");
    }

    [Fact]
    public async Task A_role_that_is_not_there_is_refused_and_a_table_that_is_there_keeps_its_owner()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE there (col1 int PRIMARY KEY, col2 text, col3 timestamptz)");

        var nobody = () => mimeo.CreateAsync(ReplicationKind.Table, "public.t", null, new CreateOptions { Owner = "no such role" });
        (await nobody.Should().ThrowAsync<MimeoPermissionException>()).Which.Message.Should().Contain("CREATE ROLE \"no such role\";");
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('t') IS NULL")).Should().BeTrue();
        var kept = await mimeo.CreateAsync(ReplicationKind.Dml, "public.t", s => s with { Destination = QualifiedName.Parse("public.there") }, new CreateOptions { Owner = "no such role" });
        kept.Warnings.Should().Equal("'public.there' was there and keeps its owner.");
    }
}
