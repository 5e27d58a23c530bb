using Microsoft.Extensions.Logging.Abstractions;
using OmniPg.Testing;

namespace OmniPg.Wal.Cli.Tests.Monitoring;

/// <summary>Logs of OmniPITR's tools read line by line, once each.</summary>
public sealed class OmniPitrLogsTests : IDisposable
{
    private const string Place = "000000A0000000FF";
    private const string Segment = "00000001" + Place;
    private const string Next = "00000001000000A100000000";
    private readonly TemporaryDirectory _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Begin_and_end_of_segments_and_backups_and_errors_are_found()
    {
        var state = Read(Write(
            "archive.log",
            Line("12:00:00.000001", "10", "archive", $"LOG : Called with parameters: -D . -l /log %p pg_wal/{Segment}"),
            Line("12:00:01.500000", "10", "archive", $"LOG : Segment ./pg_wal/{Segment} successfully sent to all destinations."),
            Line("12:00:02.000000", "11", "archive", "LOG : Called with parameters: -v pg_xlog/00000001000000A100000000"),
            Line("12:00:03.000000", "11", "archive", "ERROR : Sending to /a failed: disk full : sorry"),
            Line("12:00:04.000000", "12", "archive", "LOG : Called with parameters: -v pg_xlog/00000001000000A100000000"),
            Line("12:00:05.000000", "13", "restore", $"LOG : Called with parameters: -s /a {Segment} pg_wal/RECOVERYXLOG"),
            Line("12:00:06.000000", "13", "restore", $"LOG : Segment {Segment} restored"),
            Line("12:00:07.000000", "14", "backup-master", "LOG : Called with parameters: -D ."),
            Line("12:00:08.000000", "15", "backup-slave", "LOG : All done."),
            Line("12:00:09.000000", "14", "backup-master", "LOG : All done."),
            Line("12:00:10.000000", "16", "something-else", "FATAL : dead"),
            "2026-05-01 12:00:11.000000 +0200 : 17 : omnipg-wal-verify : LOG : other program"));

        state.Archived.Should().BeEquivalentTo(new Dictionary<string, LogState.Span>
        {
            [Segment] = new(At("12:00:00.000001"), At("12:00:01.500000")),
            ["00000001000000A100000000"] = new(At("12:00:02.000000"), null),
        });
        state.Restored.Should().BeEquivalentTo(new Dictionary<string, LogState.Span> { [Segment] = new(At("12:00:05.000000"), At("12:00:06.000000")) });
        state.Backups.Should().Equal(
            new LogState.Backup("omnipitr-backup-master", "14", At("12:00:07.000000"), At("12:00:09.000000")), new LogState.Backup("omnipitr-backup-slave", "15", At("12:00:08.000000"), At("12:00:08.000000")));
        state.Errors.Select(e => e.Line).Should().Equal("2026-05-01 12:00:03.000000 : 11 : ERROR : Sending to /a failed: disk full : sorry", "2026-05-01 12:00:10.000000 : 16 : FATAL : dead");
    }

    [Theory]
    [InlineData("24", $"LOG : Called with parameters: -s /a {Next} pg_wal/RECOVERYXLOG", Next)]
    [InlineData("24", $"LOG : Segment {Next} restored", null)]
    [InlineData("23", "FATAL : no", null)]
    [InlineData("23", $"LOG : Requested file {Segment} is in no source.", null)]
    [InlineData("23", $"LOG : Finishing recovery (Smart): {Segment} was not served.", null)]
    [InlineData("23", "ERROR : Removal of WAL files failed (ignored): no", Segment)]
    [InlineData("24", "FATAL : no", Segment)]
    [InlineData("24", $"LOG : Called with parameters: -s /a 00000002{Place} pg_wal/RECOVERYXLOG", Segment)]
    public void A_segment_that_was_asked_for_in_vain_is_not_under_way_for_ever(string pid, string text, string? underWay)
    {
        var state = Read(Write(
            "restore.log", Line("12:00:05.000000", "23", "restore", $"LOG : Called with parameters: -s /a {Segment} pg_wal/RECOVERYXLOG"), Line("12:00:06.000000", pid, "restore", text)));

        state.Restored.Where(s => s.Value.Ended is null).OrderBy(s => s.Value.Began).Select(s => s.Key).FirstOrDefault().Should().Be(underWay);
    }

    [Fact]
    public void A_line_is_read_once_and_one_that_is_half_written_the_next_time()
    {
        var state = new LogState();
        var path = Write("a.log", Line("12:00:00.000000", "1", "archive", "ERROR : one"));
        File.AppendAllText(path, Line("12:00:01.000000", "1", "archive", "ERROR : t"));

        Read(path, state);
        var first = state.Errors.Count;
        File.AppendAllText(path, "wo\n");
        Read(path, state);
        Read(path, state);

        first.Should().Be(1);
        state.Errors.Select(e => (e.Number, e.Line[^3..])).Should().Equal((1, "one"), (2, "two"));
    }

    [Fact]
    public void A_log_that_was_rotated_or_emptied_in_place_is_read_from_its_start()
    {
        var state = new LogState();
        var path = Write("a.log", Line("12:00:00.000000", "1", "archive", "ERROR : one"));
        Read(path, state);
        File.Move(path, path + ".1");
        Write("a.log", Line("12:00:05.000000", "1", "archive", "ERROR : two"), Line("12:00:06.000000", "1", "archive", "ERROR : three, longer than before"));
        Read(path, state);
        Write("a.log", Line("12:00:05.000000", "1", "archive", "ERROR : new"));
        Read(path, state);

        state.Errors.Select(e => e.Line.Split(" : ")[^1]).Should().Equal("one", "two", "three, longer than before", "new");
    }

    [Fact]
    public void Only_files_whose_name_the_template_makes_of_their_first_line_are_read_in_the_order_of_their_time()
    {
        Directory.CreateDirectory(_folder.Combine("2026-05"));
        Write("2026-05/archive-2026-05-01.log", Line("12:00:00.000000", "1", "archive", "ERROR : today"));
        Write("2026-05/archive-2026-05-02.log", Line("12:00:00.000000", "1", "archive", "ERROR : a lie"));
        Write("2026-05/archive-2026-04-30.log", Line("12:00:00.000000", "1", "archive", "ERROR : yesterday").Replace("05-01", "04-30", StringComparison.Ordinal));
        Write("2026-05/archive-short.log", "no");
        var state = new LogState();

        Read(_folder.Combine("2026-05/archive-^Y-^m-^d.log"), state);
        Read(_folder.Combine("^Y-^m/archive-^Y-^m-^d.log"), state);

        state.Errors.Select(e => e.Line.Split(" : ")[^1]).Should().Equal("yesterday", "today");
        state.Files.Keys.Select(Path.GetFileName).Should().Equal("archive-2026-04-30.log", "archive-2026-05-01.log");

        File.Delete(_folder.Combine("2026-05/archive-2026-04-30.log"));
        Read(_folder.Combine("^Y-^m/archive-^Y-^m-^d.log"), state);

        state.Files.Keys.Select(Path.GetFileName).Should().Equal("archive-2026-05-01.log");
    }

    [Theory]
    [InlineData("not a line of such a log at all, though long")]
    [InlineData("2026-05-01 12:00:00.000000 +0200 : x : omnipitr-archive : LOG : y")]
    [InlineData("2026-13-01 12:00:00.000000 +0200 : 1 : omnipitr-archive : LOG : y")]
    [InlineData("")]
    public void A_line_of_another_kind_is_named_with_its_place(string line)
    {
        var first = Line("12:00:00.000000", "1", "archive", "LOG : fine");
        var path = Write("a.log", first, line);

        var reading = () => Read(path, new LogState());

        reading.Should().Throw<WalConfigurationException>().Which.Message.Should().Contain(path).And.Contain($"offset '{first.Length + 1}'");
    }

    [Fact]
    public void What_is_old_is_forgotten_but_for_the_last_success_and_what_is_under_way()
    {
        var now = At("12:00:00.000000");
        var state = new LogState
        {
            Archived = { ["a"] = new(null, now.AddDays(-9)), ["b"] = new(null, now.AddDays(-8)), ["c"] = new(now.AddDays(-20), null) },
            Errors = { new(1, now.AddDays(-4), "old"), new(2, now.AddDays(-2), "new") },
            Backups = { new("m", "1", now.AddDays(-30), now.AddDays(-30)), new("m", "2", now.AddDays(-20), now.AddDays(-20)), new("m", "3", now.AddDays(-9), null) },
        };

        state.Forget(now);

        state.Archived.Keys.Should().BeEquivalentTo("b", "c");
        state.Errors.Select(e => e.Line).Should().Equal("new");
        state.Backups.Select(b => b.Pid).Should().Equal("2");
    }

    [Fact]
    public async Task A_state_is_found_again_and_a_damaged_one_is_thrown_away()
    {
        var state = new LogState();
        Read(Write("a.log", Line("12:00:00.000000", "1", "archive", "ERROR : one")), state);
        await state.SaveAsync(_folder.Path, TestContext.Current.CancellationToken);

        var loaded = LogState.Load(_folder.Path, NullLogger.Instance);
        await File.WriteAllTextAsync(_folder.Combine("omnipg-monitor.json"), "{\"format\":", TestContext.Current.CancellationToken);
        var anew = LogState.Load(_folder.Path, NullLogger.Instance);

        loaded.ToJson().Should().Be(state.ToJson());
        anew.ToJson().Should().Be(new LogState().ToJson());
    }

    private static DateTimeOffset At(string time) => DateTimeOffset.Parse($"2026-05-01T{time}+02:00", System.Globalization.CultureInfo.InvariantCulture);

    private static string Line(string time, string pid, string program, string text) => $"2026-05-01 {time} +0200 : {pid} : omnipitr-{program} : {text}";

    private string Write(string name, params string[] lines)
    {
        File.WriteAllText(_folder.Combine(name), string.Concat(lines.Select(l => l + "\n")));
        return _folder.Combine(name);
    }

    private static LogState Read(string template, LogState? state = null)
    {
        state ??= new LogState();
        new OmniPitrLogs(state).Read([template]);
        return state;
    }
}
