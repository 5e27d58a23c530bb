using System.Globalization;
using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Monitoring;

/// <summary>The checks of omnipitr-monitor by the program.</summary>
[Collection(nameof(MonitorCollection))]
public sealed class LogCheckTests(MonitorScene scene) : IDisposable
{
    private readonly TemporaryDirectory _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Ages_are_seconds_and_nothing_at_all_is_zero_and_unknown()
    {
        var log = Write(Line("archive", "LOG : Segment ./pg_wal/0000000100000000000000FF successfully sent to all destinations."));

        var plain = await RunAsync(log, "--check", "Last_Archive_Age", "--warning", "5");
        var none = await RunAsync(log, "--check", "last-restore-age");
        var idle = await RunAsync(log, "--check", "current-archive-time");
        var json = await RunAsync(log, "--check", "last-backup-age", "--format", "json");

        (plain.ExitCode, none.ExitCode, idle.ExitCode, json.ExitCode).Should().Be((1, 3, 0, 3), "{0}{1}", plain.Error, none.Error);
        plain.Output.Should().MatchRegex(@"^\d+\.\d{6}\n$");
        double.Parse(plain.Output, CultureInfo.InvariantCulture).Should().BeGreaterThan(59);
        (none.Output, idle.Output).Should().Be(("0\n", "0\n"));
        JsonDocument.Parse(json.Output).RootElement.GetProperty("value").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public async Task Errors_are_told_once_and_again_from_a_time()
    {
        var log = Write(Line("archive", "ERROR : one"));

        var first = await RunAsync(log, "--check", "errors");
        File.AppendAllText(log, Line("restore", "FATAL : two") + "\n");
        var second = await RunAsync(log, "--check", "errors");
        var third = await RunAsync(log, "--check", "errors");
        var lately = await RunAsync(log, "--check", "errors", "--from", "3600");
        var never = await RunAsync(log, "--check", "errors", "--from", "2999-01-01 00:00:00");

        first.Output.Should().MatchRegex(@"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} : 7 : ERROR : one\n$");
        second.Output.Should().EndWith(" : 7 : FATAL : two\n").And.NotContain("one");
        (first.ExitCode, second.ExitCode, third.ExitCode, third.Output).Should().Be((1, 1, 0, ""));
        lately.Output.Split('\n').Should().HaveCount(3);
        (never.ExitCode, never.Output).Should().Be((0, ""));
    }

    [Fact]
    public async Task Errors_are_not_told_again_after_a_check_of_another_log()
    {
        var log = Write(Line("archive", "ERROR : one"));
        var other = _folder.Combine("other.log");
        await File.WriteAllTextAsync(other, Line("restore", "LOG : fine") + "\n", Token);

        var first = await RunAsync(log, "--check", "errors");
        await RunAsync(other, "--check", "last-restore-age");
        var again = await RunAsync(log, "--check", "errors");

        (first.ExitCode, again.ExitCode, again.Output).Should().Be((1, 0, ""), first.Error + again.Error);
    }

    [Fact]
    public async Task Where_no_log_is_nothing_is_known()
    {
        var errors = await RunAsync(_folder.Combine("absent-^Y.log"), "--check", "errors", "--format", "nagios");
        var idle = await RunAsync(_folder.Combine("absent.log"), "--check", "current-archive-time");

        (errors.ExitCode, errors.Output).Should().Be((3, "OMNIPG_WAL UNKNOWN - errors: No log is there. | errors=0\n"), errors.Error);
        (idle.ExitCode, idle.Output).Should().Be((3, "0\n"), idle.Error);
    }

    [Fact]
    public async Task A_file_that_is_none_of_the_logs_is_not_passed_over_when_it_is_named()
    {
        var result = await RunAsync(Write("Can't locate OmniPITR/Program.pm in @INC at /opt/omnipitr"), "--check", "errors");

        (result.ExitCode, result.Output).Should().Be((3, ""));
        result.Error.Should().Contain("at offset '0' that is none of OmniPITR's");
    }

    [Fact]
    public async Task The_queue_counts_segments_of_their_own_size_over_the_edge_of_a_log_file_number()
    {
        // 1 MiB segments: 4096 to a number in the middle, where the original counted 255.
        var current = await scene.Server.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_lsn() - 1)", Token);
        var lsn = await scene.Server.ScalarAsync<long>("SELECT (pg_current_wal_lsn() - '0/0')::bigint", Token);
        var last = WalFileName.ForSegmentNumber(1, (ulong)(lsn >> 20) - 3, WalSegmentSize.FromBytes(1 << 20));
        var log = Write(Line("archive", $"LOG : Segment ./pg_wal/{last} successfully sent to all destinations."));

        var result = await RunAsync(log, "--check", "archive-queue", "--connection", scene.Server.ConnectionString, "--format", "nagios", "--critical", "archive-queue=1");

        (result.ExitCode, result.Output).Should().Be((2, $"OMNIPG_WAL CRITICAL - archive-queue: '2' segments wait behind '{last}'. | archive-queue=2\n"), result.Error + current);
    }

    [Theory]
    [InlineData("Logs are for one check alone", "--check", "errors", "--check", "last-archive-age")]
    [InlineData("Logs are for one check alone", "--check", "rpo")]
    [InlineData("--from is for the check errors", "--check", "last-archive-age", "--from", "5")]
    [InlineData("wants one of plain, nagios, json", "--check", "last-archive-age", "--format", "prometheus")]
    [InlineData("has no value that a limit", "--check", "errors", "--warning", "5")]
    public async Task Wrong_use_is_unknown(string message, params string[] words)
    {
        var result = await RunAsync(Write(Line("archive", "LOG : fine")), words);

        (result.ExitCode, result.Output).Should().Be((3, ""));
        result.Error.Should().Contain(message);
    }

    private Task<ProgramResult> RunAsync(string log, params string[] words) => WalProgram.RunAsync(["monitor", "--log", log, "--state-dir", _folder.Path, .. words]);

    private string Write(string line)
    {
        File.WriteAllText(_folder.Combine("tools.log"), line + "\n");
        return _folder.Combine("tools.log");
    }

    private static string Line(string program, string text)
    {
        var time = TimeProvider.System.GetUtcNow().AddSeconds(-60);
        return $"{time.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture)} +0000 : 7 : omnipitr-{program} : {text}";
    }
}
