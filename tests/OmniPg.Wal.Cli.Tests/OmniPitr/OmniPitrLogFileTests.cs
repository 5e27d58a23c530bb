using Microsoft.Extensions.Logging;

namespace OmniPg.Wal.Cli.Tests;

public sealed class OmniPitrLogFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("omnipg-log-").FullName;
    private readonly FixedClock _clock = new(new DateTimeOffset(2026, 3, 9, 7, 5, 4, TimeSpan.Zero), TimeSpan.FromHours(5.5));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("a-^Y-^m-^d", "a-2026-03-09")]
    [InlineData("^H^M^S", "123504")]
    [InlineData("^y^j", "26068")]
    [InlineData("^U", "10")]
    [InlineData("^z", "+0530")]
    [InlineData("^s", "1773039904")]
    [InlineData("^F^T", "2026-03-0912:35:04")]
    [InlineData("^^x^^^^", "^x^^")]
    [InlineData("^Z", "TST")]
    public void Path_template_expands_every_marker_in_local_time(string template, string expected)
    {
        using (var file = Create(Path.Combine(_folder, template)))
            file.CreateLogger("x").LogInformation("hello");

        Directory.GetFiles(_folder).Select(Path.GetFileName).Should().Equal(expected);
    }

    [Theory]
    [InlineData("x^q", "^q")]
    [InlineData("x^", "lone '^'")]
    public void Unsupported_marker_is_a_configuration_error(string template, string part)
    {
        var act = () => Create(template);

        act.Should().Throw<WalConfigurationException>().Where(e => e.Code == "wal.configuration").WithMessage($"*{part}*");
    }

    [Fact]
    public void Line_has_the_format_of_the_original()
    {
        using (var file = Create(Path.Combine(_folder, "log")))
            file.CreateLogger("x").LogInformation("Segment ./pg_wal/000000010000000000000001 successfully sent to all destinations.  ");

        File.ReadAllText(Path.Combine(_folder, "log")).Should().Be(
            $"2026-03-09 12:35:04.000000 +0530 : {Environment.ProcessId} : omnipitr-archive : LOG : "
            + "Segment ./pg_wal/000000010000000000000001 successfully sent to all destinations.\n");
    }

    [Fact]
    public void Every_line_of_a_text_gets_the_prefix_and_control_characters_cannot_forge_one()
    {
        using (var file = Create(Path.Combine(_folder, "log")))
            file.CreateLogger("x").LogError("one\ntwo\r\x1b[31m");

        File.ReadAllLines(Path.Combine(_folder, "log")).Select(l => l[(l.IndexOf("ERROR", StringComparison.Ordinal))..])
            .Should().Equal("ERROR : one", "ERROR : two\\x0D\\x1B[31m");
    }

    [Theory]
    [InlineData(LogLevel.Critical, "FATAL")]
    [InlineData(LogLevel.Error, "ERROR")]
    [InlineData(LogLevel.Warning, "ERROR")]
    [InlineData(LogLevel.Information, "LOG")]
    public void Levels_are_written_with_the_words_of_the_original(LogLevel level, string word)
    {
        using (var file = Create(Path.Combine(_folder, "log")))
            file.CreateLogger("x").Log(level, "text");

        File.ReadAllText(Path.Combine(_folder, "log")).Should().EndWith($" : {word} : text\n");
    }

    [Fact]
    public void Debug_is_written_only_when_verbose()
    {
        using (var quiet = Create(Path.Combine(_folder, "quiet")))
            quiet.CreateLogger("x").LogDebug("detail");
        using (var verbose = Create(Path.Combine(_folder, "verbose"), verbose: true))
            verbose.CreateLogger("x").LogDebug("detail");

        File.Exists(Path.Combine(_folder, "quiet")).Should().BeFalse();
        File.ReadAllText(Path.Combine(_folder, "verbose")).Should().EndWith(" : LOG : detail\n");
    }

    [Fact]
    public void File_is_switched_when_its_name_changes_and_its_directory_is_made()
    {
        using (var file = Create(Path.Combine(_folder, "^d", "log-^S")))
        {
            var log = file.CreateLogger("x");
            log.LogInformation("first");
            _clock.Now = _clock.Now.AddMilliseconds(900);
            log.LogInformation("same second");
            _clock.Now = _clock.Now.AddMilliseconds(200);
            log.LogInformation("next");
        }

        File.ReadAllLines(Path.Combine(_folder, "09", "log-04")).Should().HaveCount(2);
        File.ReadAllLines(Path.Combine(_folder, "09", "log-05")).Should().HaveCount(1);
    }

    [Fact]
    public void Hyphen_writes_to_the_given_stream()
    {
        using var stream = new MemoryStream();
        using (var file = new OmniPitrLogFile(new OmniPitrLogFile.Options { PathTemplate = "-", StandardOutput = stream, ProgramName = "omnipitr-restore" }, _clock))
            file.CreateLogger("x").LogCritical("stop");

        System.Text.Encoding.UTF8.GetString(stream.ToArray()).Should().EndWith(" : omnipitr-restore : FATAL : stop\n");
    }

    private OmniPitrLogFile Create(string template, bool verbose = false) =>
        new(new OmniPitrLogFile.Options { PathTemplate = template, Verbose = verbose }, _clock);

    private sealed class FixedClock(DateTimeOffset now, TimeSpan offset) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;

        public override TimeZoneInfo LocalTimeZone { get; } = TimeZoneInfo.CreateCustomTimeZone("Test", offset, "Test", "TST");

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
