using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A server that takes connections and never answers, as a firewall or a stopped machine does.</summary>
public sealed class SilentServerTests : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public SilentServerTests() => _listener.Start();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _listener.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Throw_tells_it_within_the_connect_timeout(bool async)
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString());
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw, ConnectTimeout = TimeSpan.FromSeconds(1) });

        // Far below the 60 s that the caller's own string allows.
        var starting = () => (async ? jobmon.StartAsync("told", cancellationToken: Stop).AsTask() : Task.Run(() => jobmon.Start("told"), Stop)).WaitAsync(TimeSpan.FromSeconds(25), Stop);
        var error = (await starting.Should().ThrowAsync<JobmonUnavailableException>()).Which;

        (error.Code, error.Operation, error.IsTransient).Should().Be(("jobmon.unavailable", "job start", true));
        error.Message.Should().StartWith($"The job log on '127.0.0.1:{Port}/shop' could not be used for 'job start': ")
            .And.EndWith("Hint: Check that the server is up, writable and has free connections and disk space.").And.NotContain("s3cret");
    }

    [Fact]
    public async Task Work_waits_once_and_then_no_more()
    {
        await using var source = NpgsqlDataSource.Create(ConnectionString());
        var lines = new FakeLoggerFactory();
        var connects = 0;
        using var counting = new CancellationTokenSource();
        var accepting = CountAsync(() => connects++, counting.Token);
        var jobmon = new JobmonClient(source, new JobmonOptions { ConnectTimeout = TimeSpan.FromSeconds(1) }, lines);

        var work = async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                await using var job = await jobmon.StartAsync($"job {i}", cancellationToken: Stop);
                await using (var step = await job.StepAsync("work", Stop))
                    await step.CompleteAsync(cancellationToken: Stop);
                await job.CompleteAsync(cancellationToken: Stop);
            }
        };
        // Four hundred writes of a second each would take minutes.
        await work().WaitAsync(TimeSpan.FromSeconds(30), Stop);

        connects.Should().BeLessThan(50);
        lines.Lines.Count(l => l.Level == LogLevel.Error && l.Id.Name == "LogUnavailable").Should().Be(1, "one line per cause and minute");
        await jobmon.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30), Stop);
        await counting.CancelAsync();
        await accepting.Awaiting(a => a).Should().ThrowAsync<OperationCanceledException>();
    }

    private int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    private string ConnectionString() => $"Host=127.0.0.1;Port={Port};Database=shop;Username=u;Password=s3cret;Timeout=60;GSS Encryption Mode=Disable";

    private async Task CountAsync(Action connected, CancellationToken stop)
    {
        var open = new List<TcpClient>();
        while (true)
        {
            open.Add(await _listener.AcceptTcpClientAsync(stop));
            connected();
        }
    }
}
