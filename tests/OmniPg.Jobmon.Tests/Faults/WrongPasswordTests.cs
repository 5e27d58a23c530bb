using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

/// <summary>A server that asks for a password, and a client that has another one (28P01).</summary>
public sealed class WrongPasswordTests : IAsyncLifetime
{
    private PgCluster _cluster = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _cluster = await PgCluster.StartAsync(new PgClusterOptions { Password = "right" }, Stop);

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Who_asks_for_it_gets_an_exception_that_names_server_user_and_what_to_look_at_and_no_password()
    {
        await using var source = Wrong(await InstallAsync());
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        var at = $"127.0.0.1:{_cluster.Port}/{new NpgsqlConnectionStringBuilder(source.ConnectionString).Database}";

        var starting = (await jobmon.Awaiting(j => j.StartAsync("load", cancellationToken: Stop).AsTask()).Should().ThrowAsync<JobmonUnavailableException>()).Which;
        var checking = (await jobmon.Monitor.Awaiting(m => m.CheckAsync(cancellationToken: Stop)).Should().ThrowAsync<JobmonUnavailableException>()).Which;

        (starting.Operation, starting.IsTransient, starting.SqlState).Should().Be(("job start", false, "28P01"));
        starting.Message.Should().Be($"The job log on '{at}' could not be used for 'job start': password authentication failed for user \"etl\""
            + " Hint: Check user and password of the connection, and the server's pg_hba.conf.");
        checking.Message.Should().Be(starting.Message.Replace("job start", "check", StringComparison.Ordinal));
        (starting.ToString() + checking).Should().NotContain("wrong secret");
    }

    [Fact]
    public async Task The_work_goes_on_and_the_log_is_written_as_soon_as_the_server_takes_the_password()
    {
        var connection = await InstallAsync();
        using var logs = new FakeLoggerFactory();
        await using var source = Wrong(connection);
        await using (var jobmon = new JobmonClient(source, loggerFactory: logs))
        {
            var answer = await jobmon.RunAsync("load", (job, _) => Task.FromResult(job.JobId is null ? "worked, without an id" : "has an id"), cancellationToken: Stop);

            answer.Should().Be("worked, without an id");
            logs.Lines.Should().Contain(e => e.Level == LogLevel.Error && e.Id.Id == 3100 && e.Message.Contains("password authentication failed for user \"etl\"", StringComparison.Ordinal));
            await _cluster.ExecuteAsync("ALTER ROLE etl PASSWORD 'wrong secret'", Stop);
            await using var right = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connection) { Password = "wrong secret" }.ConnectionString);
            await Eventually.TrueAsync(
                async () => await right.CreateCommand("SELECT count(*) FROM jobmon.job_log WHERE job_name = 'LOAD' AND status = 'OK'").ExecuteScalarAsync(Stop) is 1L,
                "the run is written late", cancellationToken: Stop);
        }

        logs.Lines.Should().NotContain(e => e.Message.Contains("wrong secret", StringComparison.Ordinal)).And.NotContain(e => e.Id.Id == 3103 || e.Id.Id == 3101);
    }

    [Fact]
    public async Task What_was_never_taken_is_told_with_its_reason_when_the_client_ends()
    {
        using var logs = new FakeLoggerFactory();
        await using var source = Wrong(await InstallAsync());

        await using (var jobmon = new JobmonClient(source, loggerFactory: logs))
            await jobmon.RunAsync("load", (_, _) => Task.CompletedTask, cancellationToken: Stop);

        logs.Lines.Where(e => e.Id.Id == 3103).Select(e => e.Message).Should().Equal(
            "Lost 2 events of the job log at shutdown. The last reason: 28P01: password authentication failed for user \"etl\"");
    }

    /// <summary>A log of a role that logs in with the password <c>right</c>.</summary>
    private async Task<string> InstallAsync()
    {
        await _cluster.ExecuteAsync("CREATE ROLE etl LOGIN PASSWORD 'right'", Stop);
        await using var database = NpgsqlDataSource.Create(_cluster.GetConnectionString("postgres"));
        await using var owner = new JobmonClient(database);
        await owner.Admin.InstallAsync(cancellationToken: Stop);
        foreach (var grant in (await owner.Admin.GrantScriptAsync("etl", JobmonAccess.Manage, Stop)).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            await _cluster.ExecuteAsync(grant, Stop);
        return new NpgsqlConnectionStringBuilder(_cluster.GetConnectionString("postgres")) { Username = "etl" }.ConnectionString;
    }

    private static NpgsqlDataSource Wrong(string connection) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connection) { Password = "wrong secret" }.ConnectionString);
}
