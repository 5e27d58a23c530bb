using System.Text.Json;
using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Spooling;

/// <summary>The server is away, the process ends, another one writes what it left.</summary>
public sealed class SpoolTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _folder = new();
    private PgCluster _cluster = null!;
    private JobLogDatabase _log = null!;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string[] Files => Directory.Exists(_folder.Path) ? Directory.GetFiles(_folder.Path).Order().ToArray() : [];

    public async ValueTask InitializeAsync()
    {
        _cluster = await PgCluster.StartAsync(cancellationToken: Stop);
        _log = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
    }

    public async ValueTask DisposeAsync()
    {
        await _log.DisposeAsync();
        await _cluster.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Run_that_never_reached_the_server_is_written_by_the_next_client_with_its_true_times()
    {
        var began = await _log.ScalarAsync<DateTime>("SELECT clock_timestamp()");
        await _cluster.StopAsync(cancellationToken: Stop);
        var lines = new FakeLoggerFactory();
        await using (var offline = Client(lines))
        {
            var job = await offline.Job("Offline").Argument("day", "2026-01-31").Tag("daily").StartAsync(Stop);
            await using (var outer = await job.StepAsync("outer", Stop))
            {
                await using (var inner = await outer.StepAsync("inner", Stop))
                {
                    inner.Report(new StepProgress(7, 9, "rows"));
                    await inner.CompleteAsync("seven", cancellationToken: Stop);
                }

                await outer.WarnAsync("careful", Stop);
            }

            job.SetResult("file", "a.csv");
            job.Log(LogLevel.Information, "a line");
            await job.FailAsync(new InvalidOperationException("it broke"), cancellationToken: Stop);
        }

        Files.Should().ContainSingle();
        lines.Lines.Should().ContainSingle(l => l.Id.Id == 3105).Which.Message.Should().Contain("7 events").And.Contain(Files[0]);
        lines.Lines.Should().NotContain(l => l.Id.Id == 3103, "nothing is lost");
        // The clocks are tied to within half a round trip: what is compared lies further apart.
        var since = System.Diagnostics.Stopwatch.StartNew();
        await Eventually.TrueAsync(() => since.Elapsed > TimeSpan.FromSeconds(1), "some time passes", cancellationToken: Stop);
        await StartAgainAsync();
        await using (var next = Client())
            next.Start("next").Complete();

        (await _log.RowsAsync("SELECT job_name, status, pid FROM S.job_log WHERE job_name = 'OFFLINE'")).Should().Equal("OFFLINE|CRITICAL|0");
        (await _log.RowsAsync(
            """
            SELECT d.action, d.status, d.message, s.current, s.total, s.unit, p.action FROM S.job_detail d JOIN omnipg_jobmon.step s USING (step_id)
            LEFT JOIN S.job_detail p ON p.step_id = s.parent_step_id WHERE d.job_id = (SELECT job_id FROM S.job_log WHERE job_name = 'OFFLINE') ORDER BY d.step_id
            """)).Should().Equal("outer|WARNING|careful (recorded late)|~|~|~|~", "inner|OK|seven (recorded late)|7|9|rows|outer");
        (await _log.RowsAsync("SELECT action, message FROM S.job_detail WHERE action LIKE 'EXCEPTION%'"))
            .Should().Equal("EXCEPTION after last step logged|ERROR: it broke\nSystem.InvalidOperationException (recorded late)");
        (await _log.RowsAsync("SELECT display_name, tags, args, result, error->>'type' FROM omnipg_jobmon.run WHERE display_name = 'Offline'"))
            .Should().Equal("""Offline|{daily,recorded-late}|{"day": "2026-01-31"}|{"file": "a.csv"}|System.InvalidOperationException""");
        (await _log.RowsAsync("SELECT seq, message FROM omnipg_jobmon.log_line")).Should().Equal("1|a line");
        (await _log.ScalarAsync<DateTime>("SELECT start_time FROM S.job_log WHERE job_name = 'OFFLINE'")).Should().BeAfter(began);
        // Both clocks are tied to within half a round trip, so a moment of this process is too near to compare with.
        (await _log.ScalarAsync<bool>("SELECT end_time < pg_postmaster_start_time() FROM S.job_log WHERE job_name = 'OFFLINE'")).Should().BeTrue("it ended before the server was back");
        Files.Should().BeEmpty();
    }

    [Fact]
    public async Task Replay_that_is_done_again_writes_nothing_twice()
    {
        await using (var before = Client())
        {
            var half = before.Start("half");
            half.Step("done").Complete();
            await _cluster.StopAsync(cancellationToken: Stop);
            half.Step("late").Complete("x");
            half.Complete();
            before.Start("whole").Complete();
        }

        var copy = await File.ReadAllBytesAsync(Files.Single(), Stop);
        var name = Files.Single();
        await StartAgainAsync();
        var lines = new FakeLoggerFactory();
        for (var replay = 0; replay < 3; replay++)
        {
            await File.WriteAllBytesAsync(name, copy, Stop);
            await using var next = Client(lines);
            next.Start("next").Complete();
        }

        (await _log.RowsAsync("SELECT job_name, status FROM S.job_log WHERE job_name <> 'NEXT' ORDER BY job_id")).Should().Equal("HALF|OK", "WHOLE|OK");
        (await _log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id")).Should().Equal("done|OK|~", "late|OK|x (recorded late)");
        lines.Lines.Should().NotContain(l => l.Level >= LogLevel.Error, "no row was tried a second time");
        Files.Should().BeEmpty();
    }

    [Fact]
    public async Task Run_recorded_for_its_failure_only_is_spooled_when_it_fails()
    {
        await _cluster.StopAsync(cancellationToken: Stop);
        await using (var offline = Client())
        {
            offline.Job("fine").ErrorsOnly().Start().Complete();
            Files.Should().BeEmpty();
            var job = offline.Job("bad").ErrorsOnly().Start();
            job.Step("work").Complete();
            job.Fail("no");
        }

        await StartAgainAsync();
        await using (var next = Client())
            next.Start("next").Complete();

        (await _log.RowsAsync("SELECT job_name, status FROM S.job_log WHERE job_name <> 'NEXT'")).Should().Equal("BAD|CRITICAL");
        (await _log.RowsAsync("SELECT action, status FROM S.job_detail ORDER BY step_id")).Should().Equal("work|OK", "EXCEPTION after last step logged|CRITICAL");
    }

    [Fact]
    public async Task Killed_process_leaves_its_waiting_run_which_is_written_and_then_found_dead()
    {
        using var worker = await Faults.WorkerProcess.StartAsync("spool", _log.ConnectionString, _folder.Path);
        await _cluster.StopAsync(cancellationToken: Stop);
        await worker.SayAsync("go");
        await Eventually.TrueAsync(() => Files.Length == 1 && SharedText(Files[0]).Contains("step start", StringComparison.Ordinal), "the worker has spooled", cancellationToken: Stop);
        await worker.SignalAsync("KILL");
        await worker.WaitAsync();
        await StartAgainAsync();

        await using var next = Client();
        next.Start("next").Complete();
        await Eventually.TrueAsync(() => Files.Length == 0, "all of the run is written", cancellationToken: Stop);

        (await _log.RowsAsync("SELECT status FROM S.job_log WHERE job_name = 'SPOOLED'")).Should().Equal("~");
        await Eventually.TrueAsync(
            async () => await _log.ScalarAsync<int>("SELECT omnipg_jobmon.reap_dead_jobs('1 second')") > 0, "the run is found dead", cancellationToken: Stop);
        (await _log.RowsAsync("SELECT status FROM S.job_log WHERE job_name = 'SPOOLED'")).Should().Equal("CRITICAL");
        (await _log.RowsAsync($"SELECT message LIKE 'DIED: worker on % (process {worker.Id}) last seen %' FROM S.job_detail WHERE action = 'load'")).Should().Equal("t");
    }

    [Fact]
    public async Task File_of_a_living_process_and_that_of_another_database_are_left_alone()
    {
        await using var elsewhere = await JobLogDatabase.CreateAsync(_cluster, dblink: false);
        await _cluster.StopAsync(cancellationToken: Stop);
        await using (var gone = new JobmonClient(elsewhere.DataSource, Options()))
            gone.Start("elsewhere").Complete();
        await using var living = Client();
        living.Start("living").Complete();
        Files.Count(IsHeld).Should().Be(1, "a process holds its file while it lives");
        await StartAgainAsync();
        elsewhere.DataSource.Clear();

        await using (var next = Client())
            next.Start("next").Complete();

        await Eventually.TrueAsync(
            async () => await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_name = 'LIVING' AND status = 'OK'") == 1, "the living process writes its own", cancellationToken: Stop);
        (await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_name = 'ELSEWHERE'")).Should().Be(0);
        (await elsewhere.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(0);
        await using (var right = new JobmonClient(elsewhere.DataSource, Options()))
            right.Start("next").Complete();
        (await elsewhere.RowsAsync("SELECT job_name FROM S.job_log WHERE job_name <> 'NEXT'")).Should().Equal("ELSEWHERE");
    }

    [Fact]
    public async Task Client_that_began_while_the_server_was_away_writes_what_others_left_when_it_ends()
    {
        await _cluster.StopAsync(cancellationToken: Stop);
        await using (var gone = Client())
            gone.Start("gone").Complete();
        await using (var next = Client())
        {
            next.Start("next").Complete();
            await StartAgainAsync();
            await Eventually.TrueAsync(
                async () => await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_name = 'NEXT' AND status = 'OK'") == 1, "the server is back for it", cancellationToken: Stop);
            (await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE job_name = 'GONE'")).Should().Be(0, "it looks around once a minute");
        }

        (await _log.RowsAsync("SELECT status FROM S.job_log WHERE job_name = 'GONE'")).Should().Equal("OK");
        Files.Should().BeEmpty();
    }

    [Fact]
    public async Task File_is_emptied_as_soon_as_the_server_has_everything_and_used_again()
    {
        await using var jobmon = Client();
        for (var outage = 1; outage <= 2; outage++)
        {
            await _cluster.StopAsync(cancellationToken: Stop);
            jobmon.Start("waits").Complete();
            new FileInfo(Files.Single()).Length.Should().BePositive();
            await StartAgainAsync();

            await Eventually.TrueAsync(() => new FileInfo(Files.Single()).Length == 0, "the file is emptied", cancellationToken: Stop);

            (await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE status = 'OK'")).Should().Be(outage);
        }
    }

    [Fact]
    public async Task Half_a_line_at_the_end_is_passed_over_and_a_damaged_file_is_set_aside()
    {
        await _cluster.StopAsync(cancellationToken: Stop);
        foreach (var job in new[] { "cut", "damaged", "headless" })
        {
            await using var offline = Client();
            offline.Start(job).Complete();
        }

        foreach (var file in Files)
        {
            var text = await File.ReadAllTextAsync(file, Stop);
            if (text.Contains("\"cut\"", StringComparison.Ordinal))
                await File.WriteAllTextAsync(file, text + """{"event":"job st""", Stop);
            else if (text.Contains("\"damaged\"", StringComparison.Ordinal))
                await File.WriteAllTextAsync(file, text.Replace("\"event\":\"job end\"", "\"event\":\"job", StringComparison.Ordinal), Stop);
            else
                await File.WriteAllTextAsync(file, text[10..], Stop);
        }

        await StartAgainAsync();
        var lines = new FakeLoggerFactory();
        await using (var next = Client(lines))
            next.Start("next").Complete();

        (await _log.RowsAsync("SELECT job_name, status FROM S.job_log WHERE job_name <> 'NEXT' ORDER BY 1")).Should().Equal("CUT|OK", "DAMAGED|~");
        Files.Should().HaveCount(2).And.OnlyContain(f => f.EndsWith(".jsonl.unreadable"));
        lines.Lines.Count(l => l.Id.Id == 3107).Should().Be(2);
    }

    [Fact]
    public async Task Thing_that_is_no_file_does_not_keep_the_files_waiting()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Named pipes stand in no folder there.");
        await _cluster.StopAsync(cancellationToken: Stop);
        await using (var offline = Client())
            offline.Start("left").Complete();
        var odd = Path.Combine(_folder.Path, "omnipg-jobmon-0.jsonl");
        using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", odd))
            await mkfifo.WaitForExitAsync(Stop);
        await StartAgainAsync();
        var lines = new FakeLoggerFactory();

        await using (var next = Client(lines))
            next.Start("next").Complete();

        (await _log.RowsAsync("SELECT status FROM S.job_log WHERE job_name = 'LEFT'")).Should().Equal("OK");
        lines.Lines.Should().Contain(l => l.Id.Id == 3108 && l.Message.Contains(odd, StringComparison.Ordinal));
        Files.Should().Equal(odd);
    }

    [Fact]
    public async Task File_holds_filtered_texts_for_this_user_only()
    {
        await _cluster.StopAsync(cancellationToken: Stop);
        var options = Options();
        options.SpoolDirectory = Path.Combine(_folder.Path, "new");
        options.MessageFilter = text => $"<{text.Replace("hunter2", "***", StringComparison.Ordinal)}>";
        await using (var offline = new JobmonClient(_log.DataSource, options))
        {
            var job = offline.Start("hunter2");
            job.Step("log in as hunter2").Complete("hunter2 \0 \ud800");
            job.Log(LogLevel.Warning, "hunter2");
            job.Fail(new InvalidOperationException("hunter2"));
        }

        var file = Directory.GetFiles(options.SpoolDirectory).Single();
        if (!OperatingSystem.IsWindows())
        {
            File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.GetUnixFileMode(options.SpoolDirectory).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        (await File.ReadAllTextAsync(file, Stop)).Should().NotContain("hunter2").And.NotContain("Password");
        File.ReadLines(file).Select(l => JsonDocument.Parse(l).RootElement.ValueKind).Should().OnlyContain(k => k == JsonValueKind.Object);
        await StartAgainAsync();
        await using (var next = new JobmonClient(_log.DataSource, options))
            next.Start("next").Complete();

        (await _log.RowsAsync("SELECT action, message FROM S.job_detail ORDER BY step_id LIMIT 1")).Should().Equal("<log in as ***>|<*** \ufffd \ufffd> (recorded late)");
    }

    [Fact]
    public async Task Folder_that_cannot_be_written_is_reported_and_the_events_wait_in_memory()
    {
        var lines = new FakeLoggerFactory();
        var options = Options();
        var blocked = Path.Combine(_folder.Path, "file");
        await File.WriteAllTextAsync(blocked, "", Stop);
        options.SpoolDirectory = Path.Combine(blocked, "below");
        await using var jobmon = new JobmonClient(_log.DataSource, options, lines);
        await _cluster.StopAsync(cancellationToken: Stop);

        jobmon.Start("waits").Complete();
        await StartAgainAsync();

        await Eventually.TrueAsync(
            async () => await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE status = 'OK'") == 1, "memory was enough", cancellationToken: Stop);
        lines.Lines.Should().ContainSingle(l => l.Id.Id == 3104).Which.Message.Should().Contain(options.SpoolDirectory);
    }

    [Fact]
    public async Task Full_disk_of_the_spool_keeps_whole_lines_only()
    {
        using var disk = TmpfsMount.TryCreate(64 << 10);
        Assert.SkipWhen(disk is null, "A small disk cannot be mounted here: it takes root.");
        var lines = new FakeLoggerFactory();
        var options = Options();
        options.SpoolDirectory = disk.Path;
        await _cluster.StopAsync(cancellationToken: Stop);
        await using (var offline = new JobmonClient(_log.DataSource, options, lines))
        {
            var job = offline.Start("fills");
            for (var step = 0; step < 100; step++)
                job.Step($"step {step}").Complete(new string('x', 2_000));
            job.Complete();
        }

        lines.Lines.Should().Contain(l => l.Id.Id == 3104);
        var spooled = Directory.GetFiles(disk.Path).Single();
        File.ReadLines(spooled).Select(l => JsonDocument.Parse(l).RootElement.ValueKind).Should().OnlyContain(k => k == JsonValueKind.Object);
        await StartAgainAsync();
        options.SpoolDirectory = disk.Path;
        await using (var next = new JobmonClient(_log.DataSource, options))
            next.Start("next").Complete();

        (await _log.ScalarAsync<long>("SELECT count(*) FROM S.job_detail WHERE status = 'OK' AND length(message) = 2016")).Should().BeInRange(10, 40);
        Directory.GetFiles(disk.Path).Should().BeEmpty();
    }

    private static bool IsHeld(string path)
    {
        using var taken = SpoolFile.TryTake(path);
        return taken is null;
    }

    private static string SharedText(string path)
    {
        // The lock of the writer keeps others of this kind away, not plain readers.
        using var cat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("cat", path) { RedirectStandardOutput = true })!;
        return cat.StandardOutput.ReadToEnd();
    }

    private JobmonClient Client(FakeLoggerFactory? lines = null) => new JobmonClient(_log.DataSource, Options(), lines);

    private JobmonOptions Options() => new() { SpoolDirectory = _folder.Path, ClientName = "test" };

    private async Task StartAgainAsync()
    {
        await _cluster.StartAgainAsync(cancellationToken: Stop);
        _log.DataSource.Clear();
    }
}
