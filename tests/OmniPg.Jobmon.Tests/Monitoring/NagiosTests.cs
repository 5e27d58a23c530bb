using System.Globalization;
using System.Text;

namespace OmniPg.Jobmon.Tests.Monitoring;

public sealed class NagiosTests
{
    [Fact]
    public void All_clear_is_one_line_with_exit_code_0()
    {
        var result = Check().ToNagios();

        result.ExitCode.Should().Be(0);
        result.Output.Should().Be("OK(All jobs run successfully)|failed=0;;1 missing=0;;1 running=2 blocked=0 died=0;;1 overdue=0;1 too_fast=0;1 stalled=0;1");
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(7, 2)]
    public void The_exit_code_follows_the_worst_level(int level, int exitCode) => Check(Alert(level, "A", "x")).ToNagios().ExitCode.Should().Be(exitCode);

    [Fact]
    public void Alerts_stand_in_one_line_without_bars_and_line_ends()
    {
        var result = Check(Alert(3, "A", "one\ntwo | three"), Alert(2, "B", "x")).ToNagios();

        result.Output.Should().StartWith("CRITICAL(A(FAILED_RUN): one two / three;; B(FAILED_RUN): x)|failed=2;;1 ");
        result.Output.Count(c => c == '|').Should().Be(1);
    }

    [Fact]
    public void A_long_line_is_cut_to_4_KiB_between_characters_and_keeps_its_performance_data()
    {
        var result = Check([.. Enumerable.Range(0, 300).Select(i => Alert(2, "JOB" + i, "schlägt fehl 🐘"))]).ToNagios();

        Encoding.UTF8.GetByteCount(result.Output).Should().BeInRange(4090, 4096);
        result.Output.Should().Contain("...|failed=300;;1").And.EndWith("stalled=0;1").And.NotContain("\uFFFD");
    }

    [Fact]
    public void A_check_that_cannot_be_made_is_unknown() =>
        JobCheckResult.ToNagiosUnknown(new TimeoutException("no answer\nat all")).Should().Be("UNKNOWN(no answer at all)");

    [Theory]
    [InlineData(null, null, "Never started; allowed without a start: 1 day")]
    [InlineData("2026-01-01T00:00:00Z", null, "Last start: 2026-01-01 00:00:00Z; allowed without a start: 1 day; late by 0:00:00")]
    [InlineData("2026-01-01T00:00:00Z", "00:01:30", "Last start: 2026-01-01 00:00:00Z; allowed without a start: 1 day; late by 0:01:30")]
    [InlineData("2026-01-01T00:00:00Z", "1.02:03:04", "Last start: 2026-01-01 00:00:00Z; allowed without a start: 1 day; late by 1d 2:03:04")]
    public void A_missing_job_says_how_late_it_is(string? lastStart, string? late, string expected)
    {
        var alert = Alert(3, "A", "x") with
        {
            Status = JobAlertStatus.Missing,
            Threshold = "1 day",
            LastStart = lastStart is null ? null : DateTimeOffset.Parse(lastStart, CultureInfo.InvariantCulture),
            Late = late is null ? null : TimeSpan.Parse(late, CultureInfo.InvariantCulture),
        };

        alert.Lateness.Should().Be(expected);
        (alert with { Status = JobAlertStatus.Running }).Lateness.Should().BeNull();
        (alert with { Threshold = null }).Lateness.Should().BeNull();
    }

    private static JobCheckResult Check(params JobAlert[] alerts) => new JobCheckResult
    {
        Alerts = alerts, Worst = AlertLevel.Ok, CheckedAt = DateTimeOffset.UnixEpoch, OnStandby = false, RunningJobs = 2,
        StatusTexts = new Dictionary<int, string> { [1] = "OK", [2] = "WARNING", [3] = "CRITICAL" },
    }.With([]);

    private static JobAlert Alert(int level, string job, string text) => new()
    {
        Level = new AlertLevel(level), Status = JobAlertStatus.FailedRun, AlertStatusText = "FAILED_RUN", JobName = job, AlertText = text,
    };
}
