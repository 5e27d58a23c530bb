using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>Every way in which a server that is up can refuse the log: what the work sees under both policies, and that the log catches up.</summary>
public sealed class RefusedWriteTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("42501", "REVOKE INSERT ON S.job_detail FROM \"R\"", "GRANT INSERT ON S.job_detail TO \"R\"", typeof(JobmonPermissionException), "Role 'R' lacks INSERT on 'jobmon.job_detail'.*")]
    [InlineData("42P01", "ALTER TABLE S.job_detail RENAME TO gone", "ALTER TABLE S.gone RENAME TO job_detail", typeof(JobmonNotInstalledException), "*")]
    public async Task Refused_step_costs_the_work_nothing_and_is_written_later(string state, string fault, string repair, Type thrown, string message)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var role = $"writer_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE \"{role}\" LOGIN; " + log.Admin.GrantScript(role, JobmonAccess.Write));
        await using var source = As(log, role);
        var lines = new FakeLoggerFactory();
        await using var patient = new JobmonClient(source, loggerFactory: lines);
        await using var strict = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        var kept = patient.Start("kept");
        var told = strict.Start("told");

        await log.ExecuteAsync(fault.Replace("\"R\"", $"\"{role}\"", StringComparison.Ordinal));
        var refusal = await told.Awaiting(j => j.StepAsync("refused", Stop).AsTask()).Should().ThrowAsync<JobmonException>();
        for (var i = 0; i < 3; i++)
        {
            await using var step = await kept.StepAsync($"work {i}", Stop);
            step.StepId.Should().BeNull();
            await step.CompleteAsync("done", cancellationToken: Stop);
        }

        await log.ExecuteAsync(repair.Replace("\"R\"", $"\"{role}\"", StringComparison.Ordinal));
        await kept.CompleteAsync(cancellationToken: Stop);
        await told.CompleteAsync(cancellationToken: Stop);

        refusal.Which.Should().BeOfType(thrown);
        refusal.WithMessage(message.Replace("'R'", $"'{role}'", StringComparison.Ordinal));
        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT bool_and(status IS NOT DISTINCT FROM 'OK') FROM S.job_log"), "both ends are written", cancellationToken: Stop);
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id"))
            .Should().Equal("work 0|OK|done (recorded late)", "work 1|OK|done (recorded late)", "work 2|OK|done (recorded late)");
        lines.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error && l.Message.Contains(state, StringComparison.Ordinal), "one line per cause and minute");
    }

    [Fact]
    public async Task Too_many_connections_are_a_reason_to_wait()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var role = $"crowd_{log.Name}";
        await log.ExecuteAsync($"CREATE ROLE \"{role}\" LOGIN CONNECTION LIMIT 0; " + log.Admin.GrantScript(role, JobmonAccess.Write));
        await using var source = As(log, role);
        var lines = new FakeLoggerFactory();
        await using var patient = new JobmonClient(source, loggerFactory: lines);
        await using var strict = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        await strict.Awaiting(j => j.StartAsync("told", cancellationToken: Stop).AsTask()).Should().ThrowAsync<JobmonUnavailableException>().WithMessage("*too many connections for role*");
        (await patient.StartAsync("kept", cancellationToken: Stop)).Complete();
        await log.ExecuteAsync($"ALTER ROLE \"{role}\" CONNECTION LIMIT -1");

        await Eventually.TrueAsync(
            async () => (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).SequenceEqual(["KEPT|OK"]), "the run is written", cancellationToken: Stop);
        lines.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error && l.Message.Contains("53300", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Locked_log_is_waited_for_no_longer_than_the_command_timeout(bool givenSourceWaitsForEver)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var endless = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { CommandTimeout = 0 }.ConnectionString);
        var lines = new FakeLoggerFactory();
        var options = new JobmonOptions { CommandTimeout = TimeSpan.FromSeconds(5), WriterDataSource = givenSourceWaitsForEver ? endless : null };
        await using var patient = new JobmonClient(log.DataSource, options, lines);
        var job = patient.Start("locked out");

        await using var holder = await log.DataSource.OpenConnectionAsync(Stop);
        await using var transaction = await holder.BeginTransactionAsync(Stop);
        await new NpgsqlCommand($"LOCK TABLE {log.Schema}.job_detail IN SHARE MODE", holder).ExecuteNonQueryAsync(Stop);
        var step = await job.StepAsync("first", Stop).AsTask().WaitAsync(TimeSpan.FromSeconds(20), Stop);
        var second = await job.StepAsync("second", Stop).AsTask().WaitAsync(TimeSpan.FromSeconds(20), Stop);
        await transaction.RollbackAsync(Stop);
        await second.CompleteAsync("done", cancellationToken: Stop);
        await step.CompleteAsync("done", cancellationToken: Stop);
        await job.CompleteAsync(cancellationToken: Stop);

        await Eventually.TrueAsync(
            () => log.ScalarAsync<bool>("SELECT bool_and(status IS NOT DISTINCT FROM 'OK') FROM S.job_log"), "the end is written", cancellationToken: Stop);
        (await log.RowsAsync("SELECT action, status, replace(message, ' (recorded late)', '') FROM S.job_detail ORDER BY step_id")).Should().Equal("first|OK|done", "second|OK|done");
        if (!givenSourceWaitsForEver)
            lines.Lines.Should().ContainSingle(l => l.Level == LogLevel.Error && l.Message.Contains("55P03", StringComparison.Ordinal));
    }

    private static NpgsqlDataSource As(JobLogDatabase log, string role) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Username = role }.ConnectionString);
}
