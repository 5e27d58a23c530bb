using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Dumping;

[Collection(nameof(WholeProcess))]
public sealed class PgToolLocatorTests(PgClusterFixture fixture) : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public async Task The_usual_directories_are_searched_and_the_wrapper_of_debian_is_passed_over()
    {
        var tool = await new PgToolLocator().FindPgDumpAsync(cancellationToken: TestContext.Current.CancellationToken);

        tool.Version.Major.Should().BeGreaterThanOrEqualTo(fixture.Cluster.MajorVersion);
        tool.Path.Should().NotBe("/usr/bin/pg_dump");
    }

    [Fact]
    public async Task A_directory_is_taken_alone()
    {
        FakeProgram.Create(_directory.Path, "pg_dump", "17.4", "exit 3");

        var tool = await new PgToolLocator(new PgToolOptions { BinDirectory = _directory.Path }).FindPgDumpAsync(PgServerVersion.Of(15, 1), TestContext.Current.CancellationToken);

        tool.Should().Be(new PgTool(_directory.Combine("pg_dump"), PgServerVersion.Of(17, 4)));
    }

    [Fact]
    public async Task Among_several_programs_the_lowest_major_that_fits_the_server_wins()
    {
        var path = Environment.GetEnvironmentVariable("PATH");
        foreach (var major in new[] { 34, 38, 37, 36 })
            FakeProgram.Create(_directory.Combine(major.ToString(System.Globalization.CultureInfo.InvariantCulture)), "pg_dumpall", $"{major}.1", "exit 3");
        try
        {
            Environment.SetEnvironmentVariable("PATH", string.Join(':', new[] { 38, 34, 37, 36 }.Select(major => _directory.Combine($"{major}"))) + ":" + path);
            var locator = new PgToolLocator();

            var fitting = await locator.FindPgDumpAllAsync(PgServerVersion.Of(36, 9), TestContext.Current.CancellationToken);
            var newest = await locator.FindPgDumpAllAsync(cancellationToken: TestContext.Current.CancellationToken);
            var tooNew = () => locator.FindPgDumpAllAsync(PgServerVersion.Of(40, 2), TestContext.Current.CancellationToken);

            fitting.Path.Should().Be(_directory.Combine("36", "pg_dumpall"));
            newest.Version.Should().Be(PgServerVersion.Of(38, 1));
            var error = (await tooNew.Should().ThrowAsync<PgToolNotFoundException>()).Which;
            error.Code.Should().Be("extractor.tool.version");
            error.Message.Should().StartWith($"The server has version '40.2', but '{_directory.Combine("38", "pg_dumpall")}' has version '38.1' and cannot dump newer servers.");
            error.Hint.Should().Be("Install the client programs of PostgreSQL 40 or newer.");
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }

    [Fact]
    public async Task Among_equal_majors_the_newest_minor_wins()
    {
        var path = Environment.GetEnvironmentVariable("PATH");
        foreach (var minor in new[] { 4, 12, 9 })
            FakeProgram.Create(_directory.Combine($"{minor}"), "pg_dumpall", $"31.{minor}", "exit 3");
        try
        {
            Environment.SetEnvironmentVariable("PATH", string.Join(':', new[] { 4, 12, 9 }.Select(minor => _directory.Combine($"{minor}"))) + ":" + path);

            var fitting = await new PgToolLocator().FindPgDumpAllAsync(PgServerVersion.Of(31, 12), TestContext.Current.CancellationToken);

            fitting.Version.Should().Be(PgServerVersion.Of(31, 12));
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }

    [Fact]
    public async Task A_missing_program_is_reported_with_every_place_tried()
    {
        var path = _directory.Combine("nowhere", "pg_dump");

        var act = () => new PgToolLocator(new PgToolOptions { PgDumpPath = path }).FindPgDumpAsync(cancellationToken: TestContext.Current.CancellationToken);

        var error = (await act.Should().ThrowAsync<PgToolNotFoundException>()).Which;
        error.Code.Should().Be("extractor.tool.not-found");
        error.Message.Should().StartWith($"No usable 'pg_dump' was found. Tried: '{path}' (no such file).");
        error.Tried.Should().ContainSingle();
    }

    [Fact]
    public async Task A_file_that_cannot_be_executed_is_reported()
    {
        var path = _directory.Combine("pg_dump");
        await File.WriteAllTextAsync(path, "no program", TestContext.Current.CancellationToken);

        var act = () => new PgToolLocator(new PgToolOptions { BinDirectory = _directory.Path }).FindPgDumpAsync(cancellationToken: TestContext.Current.CancellationToken);

        (await act.Should().ThrowAsync<PgToolNotFoundException>()).Which.Message.Should().Contain(path).And.Contain("ermission denied");
    }

    [Fact]
    public async Task The_version_is_asked_for_once()
    {
        var path = FakeProgram.Create(_directory.Path, "pg_dump", "15.3", "exit 3");
        var counter = _directory.Combine("count");
        TestScript.Write(path, $"echo x >> '{counter}'\necho 'pg_dump (PostgreSQL) 15.3'");
        var locator = new PgToolLocator(new PgToolOptions { BinDirectory = _directory.Path });

        for (var i = 0; i < 3; i++)
            await locator.FindPgDumpAsync(cancellationToken: TestContext.Current.CancellationToken);

        (await File.ReadAllLinesAsync(counter, TestContext.Current.CancellationToken)).Should().HaveCount(1);
    }

    public void Dispose() => _directory.Dispose();
}
