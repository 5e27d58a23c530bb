using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Schema;

public sealed class InstallTests(PgClusterFixture server)
{
    [Fact]
    public async Task Install_makes_a_log_that_detection_finds()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);

        await using var connection = await log.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var found = await log.Access.GetServerAsync(connection, TestContext.Current.CancellationToken);

        found.Mode.Should().Be(JobmonMode.Own);
        found.Schema.Value.Should().Be("jobmon");
        found.LogVersion.Should().Be("1");
        found.SideVersion.Should().Be(1);
        (await log.RowsAsync("SELECT alert_code, alert_text FROM S.job_status_text ORDER BY 1")).Should().Equal("1|OK", "2|WARNING", "3|CRITICAL");
    }

    [Fact]
    public async Task Jobs_logged_through_dblink_survive_a_rollback()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster);

        await log.ExecuteAsync("DO $$ BEGIN PERFORM S.close_job(S.add_job('x')); RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$");

        (await log.RowsAsync("SELECT job_name, status FROM S.show_job('x')")).Should().Equal("X|OK");
        (await log.RowsAsync("SELECT * FROM S.check_job_status()")).Should().Equal("1|OK|~|All jobs run successfully");
    }
}
