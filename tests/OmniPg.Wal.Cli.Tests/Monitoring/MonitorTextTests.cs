namespace OmniPg.Wal.Cli.Tests.Monitoring;

/// <summary>A monitor's result in each format, and wrong command lines.</summary>
public sealed class MonitorTextTests
{
    private static readonly WalMonitorResult Mixed = new(
        new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero),
        [
            new(WalCheck.Server, WalCheckLevel.Ok, 1, "It answers.", null),
            new(WalCheck.BacklogAge, WalCheckLevel.Unknown, null, "The role may not list the waiting files.", "GRANT EXECUTE"),
            new(WalCheck.Gaps, WalCheckLevel.Critical, 2, "'2' segments | are\nmissing.", "Make a base backup.") { Threshold = new(null, 0) },
            new(WalCheck.Rpo, WalCheckLevel.Warning, 12.5, "Others have followed.", "See check 'backlog'.") { Threshold = new(10, 20) },
            new(WalCheck.RpoBytes, WalCheckLevel.Ok, 4096, "WAL is safe.", null) { Threshold = new(5000, null) },
        ]);

    [Fact]
    public void Nagios_gets_one_line_with_the_worst_first_and_limits_behind_the_values() =>
        MonitorText.Nagios(Mixed).Should().Be(
            @"OMNIPG_WAL CRITICAL - gaps: '2' segments / are\x0Amissing. And backlog-age, rpo. | server=1 gaps=2;;0 rpo=12.5s;10;20 rpo-bytes=4096B;5000");

    [Fact]
    public void Plain_text_has_a_line_for_each_check_with_the_next_step() =>
        MonitorText.Plain(Mixed).Should().Be(
            """
            server: ok: 1: It answers.
            backlog-age: unknown: The role may not list the waiting files.
              next: GRANT EXECUTE
            gaps: critical: 2: '2' segments | are\x0Amissing.
              next: Make a base backup.
            rpo: warning: 12.5 s: Others have followed.
              next: See check 'backlog'.
            rpo-bytes: ok: 4096 B: WAL is safe.
            """);

    [Theory]
    [InlineData(WalCheck.Rpo, 12.5, "12.500000")]
    [InlineData(WalCheck.Rpo, null, "0.000000")]
    [InlineData(WalCheck.Backlog, 3d, "3")]
    [InlineData(WalCheck.SlotLag, null, "0")]
    public void One_check_alone_is_its_value(WalCheck check, double? value, string text) =>
        MonitorText.Plain(new WalMonitorResult(default, [new(check, WalCheckLevel.Ok, value, "", null)])).Should().Be(text);

    [Fact]
    public void Prometheus_gets_every_level_and_no_value_where_nothing_is_known() =>
        MonitorText.Prometheus(Mixed).Should().Be(
            """
            # HELP omnipg_wal_check_level 0 ok, 1 warning, 2 critical, 3 unknown.
            # TYPE omnipg_wal_check_level gauge
            omnipg_wal_check_level{check="server"} 0
            omnipg_wal_check_level{check="backlog-age"} 3
            omnipg_wal_check_level{check="gaps"} 2
            omnipg_wal_check_level{check="rpo"} 1
            omnipg_wal_check_level{check="rpo-bytes"} 0
            # TYPE omnipg_wal_server gauge
            omnipg_wal_server 1
            # TYPE omnipg_wal_gaps gauge
            omnipg_wal_gaps 2
            # TYPE omnipg_wal_rpo_seconds gauge
            omnipg_wal_rpo_seconds 12.5
            # TYPE omnipg_wal_rpo_bytes gauge
            omnipg_wal_rpo_bytes 4096
            # TYPE omnipg_wal_monitor_time_seconds gauge
            omnipg_wal_monitor_time_seconds 1777636800
            """);

    [Theory]
    [InlineData("--check rpo --check gaps --warning 5", "needs the name of its check")]
    [InlineData("--critical rpo=much", "wants a number, not 'much'")]
    [InlineData("--warning lag=5", "The check 'lag' is not known")]
    [InlineData("--format xml", "wants one of plain, nagios, prometheus, json")]
    public async Task A_wrong_command_line_says_what_is_wrong(string words, string message)
    {
        var verb = new MonitorVerb();
        using var context = new ProgramContext();
        var arguments = Arguments.Parse(words.Split(' '), verb.AllOptions, CommonOptions.ConfigFile);

        var refusal = await FluentActions.Awaiting(() => verb.RunAsync(arguments, context, TestContext.Current.CancellationToken)).Should().ThrowAsync<UsageException>();

        refusal.Which.Message.Should().Contain(message);
        verb.ExitCodeOf(arguments, refusal.Which).Should().Be(3);
    }
}
