using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Monitoring;

/// <summary>The escalation matrix of J-22, and the alert trigger's correction.</summary>
public sealed class EscalationTests(PgClusterFixture server)
{
    [Theory]
    [InlineData("NULL", "2,2,2,2,2", "WARNING,WARNING,WARNING,WARNING,WARNING")]
    [InlineData("0", "2,3,3,3,3", "WARNING,ESCALATED,WARNING,WARNING,WARNING")]
    [InlineData("1", "2,3,3,3,3", "WARNING,ESCALATED,WARNING,WARNING,WARNING")]
    [InlineData("2", "2,3,3,3,3", "WARNING,ESCALATED,WARNING,WARNING,WARNING")]
    [InlineData("3", "2,2,3,3,3", "WARNING,WARNING,ESCALATED,WARNING,WARNING")]
    public async Task Five_warnings_escalate_at_the_threshold(string escalate, string codes, string statuses)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync($"INSERT INTO S.job_check_config VALUES ('A', '1 d', '1 d', true, 0, {escalate})");

        for (var run = 0; run < 5; run++)
            await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a'), 2)");

        string.Join(',', await log.RowsAsync("SELECT alert_code FROM S.job_check_log ORDER BY job_id")).Should().Be(codes);
        string.Join(',', await log.RowsAsync("SELECT status FROM S.job_log ORDER BY job_id")).Should().Be(statuses);
    }

    [Fact]
    public async Task The_escalating_run_tells_why_and_a_success_clears_the_log()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("INSERT INTO S.job_check_config VALUES ('A', '1 d', '1 d', true, 0, 2)");
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a'), 2)");
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a'), 2)");

        (await log.RowsAsync("SELECT job_id, action, status, message FROM S.job_detail")).Should().Equal(
            "2|ALERT ESCALATION|ESCALATE|Job has alerted at level 2 in excess of the escalate value configured for this job (2). Alert code value has been escaleted to: 3");
        await log.ExecuteAsync("SELECT S.close_job(S.add_job('a'))");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_check_log")).Should().Be(0);
    }

    [Fact]
    public async Task The_highest_code_is_not_exceeded_and_custom_codes_are_reached()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("INSERT INTO S.job_status_text VALUES (4, 'FATAL'); INSERT INTO S.job_check_config VALUES ('A', '1 d', '1 d', true, 0, 2)");

        for (var run = 0; run < 5; run++)
            await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a'), 2)");

        string.Join(',', await log.RowsAsync("SELECT alert_code FROM S.job_check_log ORDER BY job_id")).Should().Be("2,3,4,4,4");
    }

    [Fact]
    public async Task Touching_a_failed_row_adds_no_failure_and_a_corrected_outcome_corrects_its_own()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await log.ExecuteAsync("SELECT S.fail_job(S.add_job('a'))");

        for (var touch = 0; touch < 3; touch++)
            await log.ExecuteAsync("UPDATE S.job_log SET end_time = end_time");
        await log.ExecuteAsync("SELECT S.fail_job(1, 2)");

        (await log.RowsAsync("SELECT * FROM S.job_check_log")).Should().Equal("1|A|2");
        (await log.RowsAsync("SELECT alert_status FROM S.check_job_status()")).Should().Equal("OK");
    }
}
