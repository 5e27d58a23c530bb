namespace OmniPg.Jobmon.Tests.PgCron;

/// <summary>Judgements about servers of a kind that cannot be had here.</summary>
public sealed class PgCronVerdictTests
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly PgCronServer Server = new(
        "d", "r", Now, IsStandby: false, SchedulerRuns: true, TimeZoneInfo.Utc, "GMT", RecordsRuns: true, StartsJobs: true, BothDays: false);

    private static readonly PgCronJob Late = new(
        "PG_CRON: x", "0 10 * * *", Active: true, IsLocal: true, KnownSince: Now.AddDays(-9), LastRun: 5, LastStatus: "succeeded", Pid: null,
        LastStart: Now.AddDays(-1), LastEnd: Now.AddDays(-1), IsOld: false, IsSeen: false, Blockers: null, Failures: 0, LastError: null, LastSuccess: null, Usual: null);

    private static readonly PgCronRule NoRule = new("PG_CRON: X", HasThresholds: false, 0, IsLate: false, IsVeryLate: false, IsOff: false);

    [Fact]
    public void A_schedule_is_read_in_the_time_zone_of_pg_cron()
    {
        var berlin = Server with { Zone = TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"), ZoneName = "Europe/Berlin" };

        Alerts(Server, Late).Should().Equal("3|MISSING|Expected start at 2026-06-01 10:00:00Z (0 10 * * * GMT) did not happen. Last start: 2026-05-31 12:00:00Z");
        Alerts(berlin, Late).Should().Equal("3|MISSING|Expected start at 2026-06-01 08:00:00Z (0 10 * * * Europe/Berlin) did not happen. Last start: 2026-05-31 12:00:00Z");
        Alerts(berlin, Late with { LastStart = Now.AddHours(-4) }).Should().BeEmpty();
    }

    [Fact]
    public void A_time_zone_that_this_machine_does_not_know_is_a_warning() =>
        Alerts(Server with { Zone = null, ZoneName = "Mars" }, Late).Should().Equal("2|MISSING|Time zone 'Mars' of cron.timezone is unknown on this machine.");

    [Fact]
    public void Jobs_that_the_server_starts_none_of_are_one_warning() =>
        Alerts(Server with { StartsJobs = false }, Late).Should().Equal("2|MISSING|cron.launch_active_jobs is off, so none of 1 active jobs starts");

    [Fact]
    public void On_a_standby_nobody_knows_who_is_at_work()
    {
        var open = Late with { LastStatus = "running", LastEnd = null, IsSeen = false };

        Alerts(Server with { IsStandby = true, SchedulerRuns = false }, open).Should().Equal(
            "3|UNKNOWN|Whether it runs cannot be seen on a standby. Expected start at 2026-06-01 10:00:00Z (0 10 * * * GMT) did not happen. Last start: 2026-05-31 12:00:00Z");
    }

    [Fact]
    public void A_backend_on_another_server_is_not_called_dead()
    {
        var elsewhere = Late with { LastStatus = "running", LastEnd = null, IsSeen = false, IsLocal = false, LastStart = Now.AddHours(-1) };

        Alerts(Server with { SchedulerRuns = false }, elsewhere).Should().Equal(
            "3|DIED|The scheduler does not run in database 'd', so none of 1 active jobs starts. See shared_preload_libraries and cron.database_name");
        Alerts(Server with { SchedulerRuns = false }, elsewhere with { IsLocal = true, Pid = 7 }).Should().Contain("3|DIED|Backend '7' of run '5' started 2026-06-01 11:00:00Z is gone");
    }

    [Fact]
    public void A_rule_that_is_off_silences_everything()
    {
        var off = NoRule with { IsOff = true, Overdue = "x" };

        new PgCronCheck(new PgCronLook(Server, [Late with { Failures = 9 }]), [NoRule, off], TimeSpan.Zero).Alerts().Should().BeEmpty();
    }

    private static string[] Alerts(PgCronServer server, PgCronJob job) =>
        [.. new PgCronCheck(new PgCronLook(server, [job]), [NoRule, NoRule], TimeSpan.Zero).Alerts().Select(a => $"{a.Level.Code}|{a.AlertStatusText}|{a.AlertText}")];
}
