using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class PoolerTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Pooler_that_takes_no_options_is_dumped_through_and_warned_of()
    {
        var program = new[] { "/usr/sbin/pgbouncer", "/usr/bin/pgbouncer" }.FirstOrDefault(File.Exists);
        Assert.SkipWhen(program is null, "PgBouncer is not installed.");
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE TABLE t (id integer)", TestContext.Current.CancellationToken);
        var port = FreePort();
        await using var pooler = await StartAsync(program!, work, port);
        var settings = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Host = "127.0.0.1", Port = port, Pooling = false };
        await using var pooled = NpgsqlDataSource.Create(settings.ConnectionString + ";Server Compatibility Mode=NoTypeLoading");
        await Eventually.TrueAsync(() => CanConnectAsync(pooled), "the pooler takes connections", cancellationToken: TestContext.Current.CancellationToken);

        var report = await work.ExtractAsync(pooled, "pooled", static o => o.Roles = true);
        await work.ExtractAsync(database.DataSource, "direct", static o => o.Roles = true);

        report.DumpWarnings.Select(static w => w.Kind).Should().Equal(PgDumpWarningKind.SessionNotPinned);
        report.IsComplete.Should().BeTrue();
        report.Environment.Session.Should().BeEmpty();
        File.ReadAllText(work.Path("pooled/tables/public.t.sql")).Should().Be(File.ReadAllText(work.Path("direct/tables/public.t.sql")));
    }

    private async Task<ExternalProcess> StartAsync(string program, ExtractionCase work, int port)
    {
        var configuration = work.Path("pgbouncer.ini");
        await File.WriteAllTextAsync(work.Path("users"), "\"postgres\" \"\"\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(configuration, string.Create(CultureInfo.InvariantCulture, $"""
            [databases]
            * = host=127.0.0.1 port={fixture.Cluster.Port}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = trust
            auth_file = {work.Path("users")}
            pool_mode = session
            ignore_startup_parameters = extra_float_digits
            """), TestContext.Current.CancellationToken);
        // It refuses to run as root.
        var isRoot = Environment.UserName == "root" && File.Exists("/usr/bin/setpriv");
        if (isRoot && !OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Path.GetDirectoryName(configuration)!, (UnixFileMode)0x1ED);
            File.SetUnixFileMode(configuration, (UnixFileMode)0x1A4);
            File.SetUnixFileMode(work.Path("users"), (UnixFileMode)0x1A4);
        }
        return ExternalProcess.Start(new ExternalProcessOptions
        {
            FileName = isRoot ? "/usr/bin/setpriv" : program,
            Arguments = isRoot ? ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", program, configuration] : [configuration],
        });
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task<bool> CanConnectAsync(NpgsqlDataSource dataSource)
    {
        try
        {
            await using var connection = await dataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
