using System.Net;
using System.Net.Sockets;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A destination that is one of several hosts.</summary>
public sealed class HostsTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task A_refresh_is_cancelled_at_the_server_that_it_runs_on_though_another_host_answers_now()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t AS SELECT i FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        await mimeo.Databases.AtDestinationAsync(
            "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END'; CREATE TRIGGER hold BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION hold()");
        // The port is this test's from the beginning; until it listens, connections are refused.
        using var first = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        first.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var port = ((IPEndPoint)first.LocalEndPoint!).Port;
        await using var hosts = new NpgsqlDataSourceBuilder(new NpgsqlConnectionStringBuilder(mimeo.Databases.Destination.ConnectionString)
        {
            Host = $"127.0.0.1:{port},127.0.0.1:{fixture.Cluster.Port}", Timeout = 5,
        }.ConnectionString).BuildMultiHost();
        var client = new MimeoClient(hosts);
        using var cancelled = new CancellationTokenSource();
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "SELECT pg_advisory_lock(4711)"))
        {
            var refreshing = client.RefreshAsync(QualifiedName.Parse("public.t"), cancellationToken: cancelled.Token);
            await Eventually.TrueAsync(async () => await WaitingAsync(mimeo) == 1, "the COPY waits", cancellationToken: TestContext.Current.CancellationToken);
            first.Listen();
            hosts.ClearDatabaseStates();
            await cancelled.CancelAsync();

            var ended = () => refreshing;
            await ended.Should().ThrowAsync<OperationCanceledException>();
            first.Poll(0, SelectMode.SelectRead).Should().BeFalse("nobody connected");
            (await WaitingAsync(mimeo)).Should().Be(0);
        }
    }

    private static Task<long> WaitingAsync(Mimeo mimeo) =>
        mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
}
