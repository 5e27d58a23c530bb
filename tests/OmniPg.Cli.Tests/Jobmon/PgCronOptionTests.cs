using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Jobmon;

/// <summary>The option --pg-cron.</summary>
public sealed class PgCronOptionTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_check_of_a_database_without_pg_cron_could_not_be_made()
    {
        await using var cli = await CliRunner.CreateAsync(server.Cluster);

        var byName = await cli.RunAsync("jobmon", "check", "--format", "nagios", "--pg-cron", "postgres");
        var byConnection = await cli.RunAsync("jobmon", "show", "--pg-cron", cli.Database.ConnectionString);

        byName.ExitCode.Should().Be(3);
        byName.Output.Should().StartWith("UNKNOWN(Database 'postgres' has no extension 'pg_cron'. Hint: ");
        byConnection.ExitCode.Should().Be(2);
        byConnection.Error.Should().Contain($"Database '{cli.Database.Name}' has no extension 'pg_cron'.").And.Contain("cron.database_name").And.NotContain("jobmon install");
    }

    [Fact]
    public async Task Check_and_show_tell_of_the_jobs_of_pg_cron()
    {
        var installed = PgInstallations.Find() is [var best, ..]
            && Directory.EnumerateFiles(Path.GetFullPath(Path.Combine(best.BinDirectory, "..")), "pg_cron.so", SearchOption.AllDirectories).Any();
        Assert.SkipUnless(installed, "The extension pg_cron is not installed (Debian: apt-get install postgresql-15-cron)");
        await using var cluster = await PgCluster.StartAsync(new PgClusterOptions { Settings = new Dictionary<string, string> { ["shared_preload_libraries"] = "pg_cron" } }, Stop);
        await cluster.ExecuteAsync("CREATE EXTENSION pg_cron", Stop);
        await cluster.ExecuteAsync("SELECT cron.schedule('nightly', '50-10 0 * * *', 'SELECT 1')", Stop);
        await cluster.ExecuteAsync("""
            INSERT INTO cron.job_run_details (jobid, job_pid, database, username, command, status, return_message, start_time, end_time)
            VALUES (1, 7, 'postgres', 'postgres', 'SELECT 1', 'succeeded', '1 row', '2026-01-01 10:00Z', '2026-01-01 10:00:02Z')
            """, Stop);
        await using var cli = await CliRunner.CreateAsync(cluster);
        await Eventually.TrueAsync(() => cluster.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pg_cron scheduler')", Stop),
            "the scheduler runs", cancellationToken: Stop);

        var check = await cli.RunAsync("jobmon", "check", "--pg-cron", "postgres");
        var without = await cli.RunAsync("jobmon", "check");
        var show = await cli.RunAsync("jobmon", "show", "--pg-cron", "postgres");
        var json = JsonDocument.Parse((await cli.RunAsync("jobmon", "show", "pg_cron: nightly", "--json", "--pg-cron", "postgres")).Output).RootElement;

        check.Should().Be(new CliResult(1,
            "WARNING\tMISSING\tPG_CRON: NIGHTLY\tSchedule '50-10 0 * * *' cannot be checked: '50-10' counts backwards in a cron schedule.\n", ""));
        without.Should().Be(new CliResult(0, "OK\tOK\t\tAll jobs run successfully\n", ""));
        show.Output.Should().Be("-1\tPG_CRON: NIGHTLY\tOK\t2026-01-01 10:00:00Z\t2.00 s\tpostgres\n");
        json[0].GetProperty("pgCron").GetProperty("message").GetString().Should().Be("1 row");
    }
}
