using System.Text;
using OmniPg.Jobmon;

namespace OmniPg.Cli.Tests.Jobmon;

public sealed class TopPictureTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Bars_nested_steps_alerts_and_the_latest_runs_stand_in_columns()
    {
        var snapshot = Snapshot(
            [
                Run(9, "nested", TimeSpan.FromHours(3), Step(1, "copy tables", 13, 24, "tables"), Step(2, "public.orders", 5, 20, "rows", parent: 1)),
                Run(8, "no total", TimeSpan.FromSeconds(90), Step(3, "fetching", 4711, null, "rows")),
                Run(7, "just started", TimeSpan.Zero),
            ],
            [Alert("LOAD", "1 CRITICAL run(s)")]);

        Text(snapshot, 110, 24).Should().Equal(
            "omnipg jobmon top  db on host:5432                                               2026-01-02 12:00:00Z  q quits",
            "",
            "RUNNING 3",
            "Job id  Job               For  Step             Progress",
            "     9  nested        3:00:00  copy tables      ██████████░░░░░░░░░░  54 %  13 of 24 tables",
            "                      0:01:00  └ public.orders  █████░░░░░░░░░░░░░░░  25 %  5 of 20 rows",
            "     8  no total      0:01:30  fetching         4,711 rows",
            "     7  just started  0:00:00",
            "",
            "ALERTS 1",
            "Level     Status      Job   Text",
            "CRITICAL  FAILED_RUN  LOAD  1 CRITICAL run(s)",
            "",
            "LATEST",
            "Job id  Job     Status  Ended                    Took  Owner",
            "     1  ORDERS  OK      2026-01-02 11:59:00Z  1:00:00  etl");
    }

    [Fact]
    public void A_narrow_window_leaves_columns_out_and_cuts_cells()
    {
        var snapshot = Snapshot([Run(9, "a name that is much too long for this", TimeSpan.FromSeconds(5), Step(1, "copy", 1, 2, "rows"))], []);

        Text(snapshot, 40, 10).Should().Equal(
            "omnipg jobmon top  …  12:00:00Z  q quits",
            "RUNNING 1",
            "a name that …  0:00:05  ████░░░░  50 % …",
            "ALERTS 0",
            "LATEST",
            "     1  ORDERS  OK      1:00:00");
    }

    [Theory]
    [InlineData(40, 10)]
    [InlineData(70, 18)]
    [InlineData(120, 40)]
    [InlineData(500, 200)]
    [InlineData(1, 1)]
    [InlineData(10, 3)]
    public void No_window_gets_more_cells_or_lines_than_it_has(int width, int height)
    {
        var runs = Enumerable.Range(1, 200).Select(i => Run(i, $"夜間バッチ 🚀 {i} " + new string('x', 300), TimeSpan.FromDays(3), Step(i, "データを読み込む\n\e[2J", i, 200, "行"))).ToArray();
        var alerts = Enumerable.Range(1, 50).Select(i => Alert($"DEAD {i}", "gone\nfor good")).ToArray();

        var lines = Lines(Snapshot(runs, alerts), width, height, "trouble\nwith the server");

        lines.Should().HaveCountLessThanOrEqualTo(height);
        foreach (var line in lines)
        {
            var drawn = new StringBuilder();
            line.AppendTo(drawn, width).Should().BeGreaterThanOrEqualTo(0);
            var text = System.Text.RegularExpressions.Regex.Replace(drawn.ToString(), "\e\\[[0-9]+m", "");
            text.Any(char.IsControl).Should().BeFalse();
            CellText.Width(text).Should().BeLessThanOrEqualTo(width);
        }
    }

    [Fact]
    public void What_does_not_fit_is_counted()
    {
        var runs = Enumerable.Range(1, 30).Select(i => Run(i, "job", TimeSpan.Zero, Step(i, "a", null, null, null), Step(100 + i, "b", null, null, null, parent: i))).ToArray();
        var alerts = Enumerable.Range(1, 10).Select(i => Alert("DEAD", "gone")).ToArray();

        var lines = Text(Snapshot(runs, alerts), 100, 24);

        lines.Should().HaveCount(24);
        lines[2].Should().Be("RUNNING 30  (21 not shown)");
        lines[4].Should().Be("     1  job  0:00:00  a › b");
        lines.Should().Contain("ALERTS 10  (6 not shown)");
    }

    [Fact]
    public void Trouble_stands_below_the_title_and_the_old_picture_stays()
    {
        var lines = Text(Snapshot([], []), 100, 24, "No answer since 12:00");

        lines[1].Should().Be("No answer since 12:00");
        lines.Should().Contain("RUNNING 0").And.Contain("ALERTS 0").And.Contain("     1  ORDERS  OK      2026-01-02 11:59:00Z  1:00:00  etl");
    }

    private static List<string> Text(TopSnapshot snapshot, int width, int height, string? trouble = null) =>
        [.. Lines(snapshot, width, height, trouble).Select(l => l.ToString())];

    private static IReadOnlyList<ScreenLine> Lines(TopSnapshot snapshot, int width, int height, string? trouble) =>
        TopPicture.Draw(snapshot, "db on host:5432", trouble, width, height);

    private static TopSnapshot Snapshot(TopRun[] running, JobAlert[] alerts)
    {
        var report = new JobCheckResult
        {
            Alerts = alerts, Worst = AlertLevel.Ok, CheckedAt = Now, OnStandby = false, RunningJobs = running.Length,
            StatusTexts = new Dictionary<int, string> { [1] = "OK", [2] = "WARNING", [3] = "CRITICAL" },
        };
        var ended = new JobRecord
        {
            JobId = 1, JobName = "ORDERS", Owner = "etl", Pid = 1, Status = "OK", StartTime = Now.AddMinutes(-61), EndTime = Now.AddMinutes(-1),
        };
        return new TopSnapshot(running, [ended], report, Now);
    }

    private static TopRun Run(long id, string name, TimeSpan age, params JobStepRecord[] steps) =>
        TopRun.Of(new JobRecord { JobId = id, JobName = name, Owner = "etl", Pid = 1, StartTime = Now - age }, steps);

    private static JobStepRecord Step(long id, string action, long? current, long? total, string? unit, long? parent = null) => new()
    {
        JobId = 1, StepId = id, Action = action, StartTime = Now.AddMinutes(-1), Status = "PENDING",
        Current = current, Total = total, Unit = unit, ParentStepId = parent,
    };

    private static JobAlert Alert(string job, string text) => new()
    {
        Level = AlertLevel.Critical, Status = JobAlertStatus.FailedRun, AlertStatusText = "FAILED_RUN", JobName = job, AlertText = text,
    };
}
