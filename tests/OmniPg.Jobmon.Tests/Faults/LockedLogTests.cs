using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>Somebody holds all tables of the log, and the caller's data source would wait for ever.</summary>
public sealed class LockedLogTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static TheoryData<string> Calls => ["check", "lint", "cancel", "reap", "acknowledge", "list"];

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task A_question_ends_with_the_command_timeout_of_the_options(string call)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var settings = new NpgsqlConnectionStringBuilder(log.ConnectionString) { CommandTimeout = 0 };
        await using var patient = NpgsqlDataSource.Create(settings);
        await using var jobmon = new JobmonClient(patient, new JobmonOptions { CommandTimeout = TimeSpan.FromSeconds(5) });
        await jobmon.GetCapabilitiesAsync(Stop);
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await using var lockAll = new NpgsqlCommand(
            "LOCK TABLE jobmon.job_log, jobmon.job_check_log, jobmon.job_check_config, omnipg_jobmon.run, omnipg_jobmon.session IN ACCESS EXCLUSIVE MODE", holder);
        await lockAll.ExecuteNonQueryAsync(Stop);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        deadline.CancelAfter(TimeSpan.FromSeconds(30));

        var asking = () => AskAsync(jobmon, call, deadline.Token);

        await asking.Should().ThrowAsync<JobmonUnavailableException>();
    }

    [Theory]
    [InlineData("LOCK TABLE jobmon.job_log IN ACCESS EXCLUSIVE MODE")]
    [InlineData("SELECT pg_advisory_xact_lock(hashtextextended('omnipg_jobmon.install', 0))")]
    public async Task An_installation_gives_up_a_lock_that_it_does_not_get(string held)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await new NpgsqlCommand(held, holder).ExecuteNonQueryAsync(Stop);

        var refusal = await log.Admin.Awaiting(a => a.InstallAsync(new InstallOptions { LockTimeout = TimeSpan.FromMilliseconds(50) }, Stop))
            .Should().ThrowAsync<JobmonUnavailableException>();

        refusal.Which.IsTransient.Should().BeTrue();
        refusal.Which.SqlState.Should().Be(PostgresErrorCodes.LockNotAvailable);
        await transaction.RollbackAsync(Stop);
        (await log.Admin.InstallAsync(new InstallOptions { LockTimeout = TimeSpan.FromSeconds(10) }, Stop)).AlreadyInstalled.Should().BeTrue();
        await log.Admin.Awaiting(a => a.InstallAsync(new InstallOptions { LockTimeout = TimeSpan.Zero }, Stop)).Should().ThrowAsync<OptionsValidationException>();
    }

    private static async Task AskAsync(JobmonClient jobmon, string call, CancellationToken stop)
    {
        switch (call)
        {
            case "check": await jobmon.Monitor.CheckAsync(cancellationToken: stop); break;
            case "lint": await jobmon.Monitor.LintAsync(stop); break;
            case "cancel": await jobmon.Admin.CancelAsync(1, cancellationToken: stop); break;
            case "reap": await jobmon.Admin.ReapAsync(stop); break;
            case "acknowledge": await jobmon.Admin.AcknowledgeAsync("x", "me", cancellationToken: stop); break;
            default: await jobmon.History.ListAsync(new JobQuery(), stop).FirstOrDefaultAsync(stop); break;
        }
    }
}
