using System.Net.Sockets;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Unit;

public sealed class WritingTests
{
    [Fact]
    public void Server_clock_ignores_jumps_of_the_wall_clock()
    {
        var time = new WaitableTimeProvider();
        var clock = new ServerClock(time);
        var early = clock.Mark();
        clock.At(early).Should().BeNull();
        time.Advance(TimeSpan.FromSeconds(10));
        var anchor = new DateTime(2030, 1, 1, 0, 0, 10, DateTimeKind.Utc);

        clock.Set(anchor, clock.Mark(), clock.Mark());
        time.Advance(TimeSpan.FromSeconds(5));

        clock.At(early).Should().Be(anchor.AddSeconds(-10));
        clock.At(clock.Mark()).Should().Be(anchor.AddSeconds(5));
    }

    [Fact]
    public void Server_clock_keeps_its_sharper_reading_until_that_has_aged_or_the_clock_is_another_one()
    {
        var time = new WaitableTimeProvider();
        var clock = new ServerClock(time);
        var epoch = new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        Read(quick: TimeSpan.FromMilliseconds(2), at: epoch);

        // Slow, and late by as much as it may be: what it says is true of the end of its round trip.
        Read(quick: TimeSpan.FromSeconds(1), at: epoch.AddMilliseconds(1001));
        clock.At(clock.Mark()).Should().Be(epoch.AddMilliseconds(1001), "the first reading was taken 1 ms before the end of its own round trip");

        time.Advance(TimeSpan.FromHours(3));
        Read(quick: TimeSpan.FromSeconds(1), at: epoch.AddHours(3).AddSeconds(2));
        clock.At(clock.Mark()).Should().Be(epoch.AddHours(3).AddSeconds(2.5), "by now the first may have drifted further than the second is blurred");

        Read(quick: TimeSpan.FromSeconds(4), at: epoch.AddDays(-1));
        clock.At(clock.Mark()).Should().Be(epoch.AddDays(-1).AddSeconds(2), "this is not the clock of before");

        void Read(TimeSpan quick, DateTime at)
        {
            var before = clock.Mark();
            time.Advance(quick);
            clock.Set(at, before, clock.Mark());
        }
    }

    [Theory]
    [InlineData(-400)]
    [InlineData(0)]
    [InlineData(86_400)]
    public void Server_clock_finds_the_mark_of_a_moment_before_this_process_began(int seconds)
    {
        var time = new WaitableTimeProvider();
        var clock = new ServerClock(time);
        clock.MarkOf(DateTime.UnixEpoch).Should().BeNull();
        var anchor = new DateTime(2030, 1, 1, 0, 0, 10, DateTimeKind.Utc);
        clock.Set(anchor, clock.Mark(), clock.Mark());
        var moment = anchor.AddSeconds(seconds).AddTicks(7);

        clock.At(clock.MarkOf(moment)!.Value).Should().Be(moment);
        clock.WallAt(clock.MarkOfWall(moment)).Should().Be(moment);
    }

    [Fact]
    public void A_pause_doubles_with_each_failure_and_begins_anew_after_a_success()
    {
        var backOff = new BackOff();

        var pauses = Enumerable.Range(0, 10).Select(_ => backOff.Next().TotalSeconds).ToArray();
        backOff.Reset();

        pauses.Should().Equal(0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30);
        (backOff.Pause, backOff.Next()).Should().Be((TimeSpan.Zero, TimeSpan.FromMilliseconds(200)));
    }

    [Fact]
    public void Circuit_waits_twice_as_long_after_each_failure_up_to_half_a_minute()
    {
        var time = new WaitableTimeProvider();
        var circuit = new Circuit(time);

        var waits = Enumerable.Range(0, 10).Select(_ =>
        {
            time.Advance(circuit.Remaining);
            circuit.Open();
            return circuit.Remaining.TotalSeconds;
        }).ToArray();
        circuit.Close();

        waits.Should().Equal(0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30);
        circuit.IsOpen.Should().BeFalse();
    }

    [Fact]
    public async Task Jobs_that_fail_to_write_at_the_same_moment_are_one_outage()
    {
        var time = new WaitableTimeProvider();
        var circuit = new Circuit(time);

        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(circuit.Open, TestContext.Current.CancellationToken)));

        circuit.Remaining.Should().Be(TimeSpan.FromMilliseconds(200), "the background tries again after the shortest pause");
    }

    [Fact]
    public void Throttle_lets_one_line_per_cause_and_minute_pass()
    {
        var time = new WaitableTimeProvider();
        var throttle = new ErrorThrottle(time);

        (throttle.MayLog("a"), throttle.MayLog("a"), throttle.MayLog("b")).Should().Be((true, false, true));
        time.Advance(TimeSpan.FromMinutes(1));
        (throttle.MayLog("a"), throttle.MayLog("a")).Should().Be((true, false));
    }

    [Fact]
    public void Full_journal_drops_the_oldest_successful_step_and_nothing_else()
    {
        var job = new JobRow("x");
        var (good, bad) = (new StepRow(job, null, 1, "good"), new StepRow(job, null, 2, "bad"));
        var start = new JobStartedEvent(job, 0);
        var end = new JobEndedEvent(job, 0, JobOutcome.Of(AlertLevel.Ok));
        var failure = new StepEndedEvent(bad, 0, AlertLevel.Critical);
        var journal = job.Journal;

        foreach (var e in new LogEvent[] { start, new StepStartedEvent(bad, 0), failure, new StepStartedEvent(good, 0), new StepEndedEvent(good, 0, AlertLevel.Ok) })
            journal.Add(e, 5).Should().Be(0);
        journal.Add(end, 5).Should().Be(2);

        journal.Snapshot().Select(e => e.Operation).Should().Equal("job start", "step start", "step end", "job end");
        journal.Add(new JobEndedEvent(job, 0, JobOutcome.Of(AlertLevel.Ok)), 4).Should().Be(0, "what is left must never be dropped");
        journal.Count.Should().Be(5);
    }

    [Fact]
    public void Start_comes_first_although_the_end_was_quicker()
    {
        var job = new JobRow("x");

        job.Journal.Add(new JobEndedEvent(job, 0, JobOutcome.Of(AlertLevel.Critical)), 100);
        job.Journal.Add(new JobStartedEvent(job, 0), 100);

        job.Journal.NextBatch().Should().ContainSingle().Which.Should().BeOfType<JobStartedEvent>();
    }

    [Fact]
    public void Step_inside_a_dropped_one_is_written_all_the_same()
    {
        var job = new JobRow("x") { JobId = 7 };
        var outer = new StepRow(job, null, 1, "outer");
        var inner = new StepRow(job, outer, 2, "inner");
        foreach (var e in new LogEvent[] { new StepStartedEvent(outer, 0), new StepStartedEvent(inner, 0), new StepEndedEvent(inner, 0, AlertLevel.Critical) })
            job.Journal.Add(e, 3);

        job.Journal.Add(new StepEndedEvent(outer, 0, AlertLevel.Ok), 3).Should().Be(2);

        job.Journal.NextBatch().Should().ContainSingle().Which.Should().BeOfType<StepStartedEvent>().Which.Step.Should().Be(inner);
        inner.StepId = 9;
        job.Journal.NextBatch().Should().HaveCount(2);
    }

    [Fact]
    public void Batch_ends_before_an_event_whose_id_is_not_known_yet()
    {
        var job = new JobRow("x");
        var step = new StepRow(job, null, 1, "s");
        foreach (var e in new LogEvent[] { new JobStartedEvent(job, 0), new StepStartedEvent(step, 0), new StepEndedEvent(step, 0, AlertLevel.Ok) })
            job.Journal.Add(e, 100);

        job.Journal.NextBatch().Should().ContainSingle();
        job.JobId = 7;
        job.Journal.NextBatch().Should().HaveCount(2);
        step.StepId = 8;
        job.Journal.NextBatch().Should().HaveCount(3);
    }

    public static TheoryData<Exception, string> Failures => new()
    {
        { Refusal("57P01"), "Broken" }, { Refusal("40P01"), "Broken" }, { Refusal("53300"), "Unavailable" }, { Refusal("53100"), "Unavailable" },
        { Refusal("25006"), "Unavailable" }, { Refusal("42501"), "Unavailable" }, { Refusal("42P01"), "Unavailable" }, { Refusal("55P03"), "Unavailable" },
        { Refusal("57014"), "Unavailable" }, { Refusal("22P05"), "Encoding" }, { Refusal("23503"), "Refused" }, { Refusal("54000"), "Refused" },
        { new NpgsqlException("x", new SocketException((int)SocketError.ConnectionRefused)), "Unavailable" },
        { Refusal("40001"), "Broken" }, { Refusal("57P02"), "Broken" }, { Refusal("57P05"), "Broken" }, { Refusal("23505"), "Broken" }, { Refusal("0A000"), "Broken" },
        { Refusal("42703"), "Unavailable" }, { Refusal("42883"), "Unavailable" }, { Refusal("3F000"), "Unavailable" }, { Refusal("3D000"), "Unavailable" },
        { Refusal("57P03"), "Unavailable" }, { Refusal("2F003"), "Unavailable" }, { Refusal("08006"), "Unavailable" }, { Refusal("28P01"), "Unavailable" },
        { Refusal("58030"), "Unavailable" }, { Refusal("XX000"), "Unavailable" }, { Refusal("F0001"), "Unavailable" }, { Refusal("22021"), "Encoding" },
        { new NpgsqlException("x", new IOException()), "Broken" }, { new NpgsqlException("x", new TimeoutException()), "Unavailable" },
        { new NpgsqlException("x", new SocketException((int)SocketError.HostNotFound)), "Unavailable" }, { new NpgsqlException("x"), "Broken" },
        { new NpgsqlException("x", new SocketException((int)SocketError.ConnectionReset)), "Broken" }, { new IOException(), "Broken" },
        { new ObjectDisposedException("x"), "Broken" }, { new TimeoutException(), "Unavailable" }, { new SocketException(), "Unavailable" },
        { new InvalidOperationException(), "Refused" },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void Failures_are_told_apart(Exception error, string expected) => WriteFailures.Classify(error).ToString().Should().Be(expected);

    private static PostgresException Refusal(string state) => new("x", "ERROR", "ERROR", state);
}
