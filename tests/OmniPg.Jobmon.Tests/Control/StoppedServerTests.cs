using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

/// <summary>The backend of the control session stands still, as on an overloaded or paused machine, and goes on later.</summary>
public sealed class StoppedServerTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lock_that_could_not_be_given_back_in_time_is_free_once_the_server_goes_on()
    {
        await using var log = await CreateLogAsync();
        await using var here = new JobmonClient(log.DataSource, Impatient(connectSeconds: 5));
        await using var there = new JobmonClient(log.DataSource);
        await using var first = await here.Job("export").SingleInstance().StartAsync(Stop);
        var backend = await HolderAsync(log);

        await WhileStoppedAsync(backend, () => first.CompleteAsync(cancellationToken: Stop).AsTask());

        await using var second = await there.Job("export").SingleInstance(TimeSpan.FromMinutes(1)).StartAsync(Stop);
        second.Acquired.Should().BeTrue();
        await second.CompleteAsync(cancellationToken: Stop);
    }

    [Fact]
    public async Task Start_that_waits_for_the_control_session_is_answered_when_the_client_goes()
    {
        await using var log = await CreateLogAsync();
        var leaving = new JobmonClient(log.DataSource, Impatient(connectSeconds: 120));
        await using var first = await leaving.Job("export").SingleInstance().StartAsync(Stop);
        var backend = await HolderAsync(log);

        Task<IJob>? waiting = null;
        await WhileStoppedAsync(backend, () =>
        {
            waiting = leaving.Job("other").SingleInstance().StartAsync(Stop).AsTask();
            return leaving.DisposeAsync().AsTask();
        });

        // Far below the two minutes after which it would give up by itself.
        await waiting!.Awaiting(w => w.WaitAsync(TimeSpan.FromSeconds(30), Stop)).Should().ThrowAsync<ObjectDisposedException>();
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("EXPORT|CRITICAL");
    }

    // Heartbeats far apart: the control thread waits for nothing but its notifications.
    private static JobmonOptions Impatient(int connectSeconds) => new()
    {
        ConnectTimeout = TimeSpan.FromSeconds(connectSeconds),
        CommandTimeout = TimeSpan.FromSeconds(5),
        HeartbeatInterval = TimeSpan.FromMinutes(10),
        DeadAfter = TimeSpan.FromMinutes(30),
    };

    // Whatever happens meanwhile: a backend that stands still would hold up everything that needs all of them.
    private static async Task WhileStoppedAsync(int backend, Func<Task> work)
    {
        await SignalAsync(backend, "STOP");
        try
        {
            await work();
        }
        finally
        {
            await SignalAsync(backend, "CONT");
        }
    }

    private static Task<int> HolderAsync(JobLogDatabase log) => log.ScalarAsync<int>(
        """
        SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = (hashtext('sql_log')::bigint & 4294967295)::oid
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """);

    private static async Task SignalAsync(int pid, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{pid}"]);
        await kill.WaitForExitAsync(Stop);
        kill.ExitCode.Should().Be(0);
    }

    private Task<JobLogDatabase> CreateLogAsync()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "stops a backend by a signal");
        return JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
    }
}
