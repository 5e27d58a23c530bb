using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Connections as libpq and the extension store them, and as the driver takes them.</summary>
public sealed class ConnectionInfoTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData("host=a,b port=1,2 dbname=x", "a:1,b:2", 5432)]
    [InlineData("host=a,b port=7 dbname=x", "a:7,b:7", 5432)]
    [InlineData("host=a,b port=,2", "a,b:2", 5432)]
    [InlineData("host=a hostaddr=::1 port=5433", "::1", 5433)]
    [InlineData("host = 'a' port= 5433", "a", 5433)]
    [InlineData("port=5433", null, 5433)]
    [InlineData("host=/var/run/postgresql", "/var/run/postgresql", 5432)]
    [InlineData("host=/run/postgresql,b port=1,2", "/run/postgresql:1,b:2", 5432)]
    [InlineData("hostaddr=::1,10.0.0.1 port=1", "[::1]:1,10.0.0.1:1", 5432)]
    public void Hosts_and_ports_of_libpq_come_together(string stored, string? host, int port)
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionInfo.ToNpgsql(stored, "me", null));

        (settings.Host, settings.Port).Should().Be((host, port));
    }

    [Theory]
    [InlineData("Host=a:1,b:2;Username=me;Database=x", "host='a,b' port='1,2' dbname='x'")]
    [InlineData("Host=a,b:2;Port=7;Username=me", "host='a,b' port='7,2'")]
    [InlineData("Host=a,b;Port=7;Username=me", "host='a,b' port='7'")]
    [InlineData("Host=[::1]:5433;Username=me", "host='::1' port='5433'")]
    [InlineData("Host=a;Username=me;Database='it''s \\ \"q\"';SSL Mode=VerifyFull;Target Session Attributes=prefer-standby", "host='a' port='5432' dbname='it\\'s \\\\ \"q\"' sslmode='verify-full' target_session_attrs='prefer-standby'")]
    public void A_connection_of_the_driver_is_stored_for_libpq_and_comes_back(string connectionString, string stored)
    {
        var (server, user, password) = ConnectionInfo.ToLibpq(connectionString);

        // Its defaults stand there, for libpq's may be others.
        (Given(server), user, password).Should().Be((stored, "me", null));
        var (again, _, secret) = ConnectionInfo.ToLibpq(ConnectionInfo.ToNpgsql(server, user, "secret"));
        (Given(again), secret).Should().Be((stored, "secret"));

        static string Given(string text) => text.Replace(" sslmode='prefer'", "", StringComparison.Ordinal).Replace(" connect_timeout='15'", "", StringComparison.Ordinal).Replace(" application_name='omnipg mimeo'", "", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_among_several_hosts_keeps_its_port()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        await mimeo.Databases.AtDestinationAsync(
            $"UPDATE omnipg_mimeo.dblink_mapping_mimeo SET data_source = {PgLiteral.Quote($"host='{fixture.Cluster.RootDirectory},127.0.0.1' port='{fixture.Cluster.Port},1' dbname='{mimeo.Databases.Source.Name}'")}");

        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(10_000);
    }

    [Theory]
    [InlineData("service=prod", "The keyword 'service'")]
    [InlineData("host=a,b,c port=1,2", "'1,2' as ports for the hosts 'a,b,c'")]
    [InlineData("host='a", "has a quote that does not end")]
    [InlineData("krbsrvname=x", "The keyword 'krbsrvname'")]
    public async Task What_the_driver_cannot_connect_by_is_told_with_the_source_unless_there_is_a_data_source_for_it(string stored, string why)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        await mimeo.Databases.AtDestinationAsync($"UPDATE omnipg_mimeo.dblink_mapping_mimeo SET data_source = {PgLiteral.Quote(stored)}");

        var refreshing = () => mimeo.RefreshAsync("public.t");
        var error = (await refreshing.Should().ThrowAsync<SourceSettingException>()).Which;

        (error.Code, error.Message).Should().Match<(string Code, string Message)>(e => e.Code == "mimeo.source.setting" && e.Message.StartsWith("What is stored for source 'erp' makes no connection: ") && e.Message.Contains(why));
        var client = new MimeoClient(mimeo.Databases.Destination.DataSource, new MimeoOptions { Sources = new Dictionary<string, NpgsqlDataSource> { ["erp"] = mimeo.Databases.Source.DataSource } });
        (await client.RefreshAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Be(10_000);
    }
}
