using System.Threading.Channels;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class PeriodicServiceTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly WaitableTimeProvider _time = new();
    private readonly Channel<DateTimeOffset> _rounds = Channel.CreateUnbounded<DateTimeOffset>();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_first_round_comes_with_the_start_and_the_next_one_a_period_after_its_end()
    {
        var start = _time.GetUtcNow();
        using var service = new PeriodicService(NoteAsync, Minute, _ => false, _time);

        await service.StartAsync(Stop);
        (await NextAsync()).Should().Be(start);
        (await NextAsync(Minute)).Should().Be(start + Minute);
        await service.StopAsync(Stop);

        service.ExecuteTask!.IsCompleted.Should().BeTrue();
    }

    [Fact]
    public async Task The_first_round_waits_as_long_as_it_should_but_not_longer_than_a_period()
    {
        var start = _time.GetUtcNow();
        using var late = new PeriodicService(NoteAsync, Minute, _ => false, _time) { FirstAfter = TimeSpan.FromSeconds(10) };
        using var later = new PeriodicService(NoteAsync, Minute, _ => false, _time) { FirstAfter = TimeSpan.FromHours(1) };

        await late.StartAsync(Stop);
        (await NextAsync(TimeSpan.FromSeconds(10))).Should().Be(start + TimeSpan.FromSeconds(10));
        await late.StopAsync(Stop);
        await later.StartAsync(Stop);
        (await NextAsync(Minute)).Should().Be(start + TimeSpan.FromSeconds(70));
        await later.StopAsync(Stop);
    }

    [Fact]
    public async Task A_failed_round_is_told_and_the_waits_grow_up_to_the_longest()
    {
        var start = _time.GetUtcNow();
        var errors = new List<string>();
        using var service = new PeriodicService(
            async stop =>
            {
                await NoteAsync(stop);
                throw new InvalidOperationException($"round {errors.Count}");
            },
            Minute,
            error =>
            {
                errors.Add(error.Message);
                return true;
            },
            _time)
        { LongestWait = TimeSpan.FromMinutes(3) };

        await service.StartAsync(Stop);
        var offsets = new List<double> { (await NextAsync() - start).TotalMinutes };
        foreach (var minutes in new[] { 1, 2, 3, 3 })
            offsets.Add((await NextAsync(Minute * minutes) - start).TotalMinutes);
        await service.StopAsync(Stop);

        offsets.Should().Equal(0, 1, 3, 6, 9);
        errors.Should().StartWith(["round 0", "round 1", "round 2", "round 3"]);
    }

    [Fact]
    public async Task A_failure_that_nobody_foresaw_ends_the_service_with_it()
    {
        using var service = new PeriodicService(_ => throw new InvalidOperationException("unforeseen"), Minute, _ => false, _time);

        await service.StartAsync(Stop);

        (await service.Awaiting(s => s.ExecuteTask!).Should().ThrowAsync<InvalidOperationException>()).WithMessage("unforeseen");
    }

    [Fact]
    public async Task One_of_two_leads_until_it_stops_and_a_lost_lead_ends_its_round()
    {
        using var lead = new SemaphoreSlim(1);
        using var lost = new CancellationTokenSource();
        using var never = new CancellationTokenSource();
        var told = Channel.CreateUnbounded<string>();
        using var first = Service("first", lost.Token);
        using var second = Service("second", never.Token);

        await first.StartAsync(Stop);
        (await ReadAsync(told.Reader)).Should().Be("first works");
        await second.StartAsync(Stop);
        (await ReadAsync(told.Reader)).Should().Be("second looks on");
        await lost.CancelAsync();
        (await ReadAsync(told.Reader)).Should().Be("first is cancelled");
        await first.StopAsync(Stop);
        (await ReadAsync(told.Reader)).Should().Be("first gives back");
        await AdvanceAsync(Minute);
        (await ReadAsync(told.Reader)).Should().Be("second works");
        await second.StopAsync(Stop);
        (await ReadAsync(told.Reader)).Should().Be("second is cancelled");
        (await ReadAsync(told.Reader)).Should().Be("second gives back");

        PeriodicService Service(string name, CancellationToken lostToken) => new(
            async stop =>
            {
                await told.Writer.WriteAsync($"{name} works", Stop);
                var ended = new TaskCompletionSource();
                using var registration = stop.Register(() =>
                {
                    told.Writer.TryWrite($"{name} is cancelled");
                    ended.TrySetCanceled(stop);
                });
                await ended.Task;
            },
            Minute, _ => false, _time)
        {
            Leader = async _ =>
            {
                if (await lead.WaitAsync(0, Stop))
                    return (new Handle(() => lead.Release() == 0 && told.Writer.TryWrite($"{name} gives back")), lostToken);
                await told.Writer.WriteAsync($"{name} looks on", Stop);
                return null;
            },
        };
    }

    private async Task NoteAsync(CancellationToken cancellationToken) => await _rounds.Writer.WriteAsync(_time.GetUtcNow(), cancellationToken);

    private async Task<DateTimeOffset> NextAsync(TimeSpan after = default)
    {
        // The wait of the service begins some time after the round before was noted, so the clock moves when somebody waits for it.
        if (after > TimeSpan.Zero)
            await AdvanceAsync(after);
        return await ReadAsync(_rounds.Reader);
    }

    // What never comes fails the test, and does not keep the run from its end.
    private static Task<T> ReadAsync<T>(ChannelReader<T> reader) => reader.ReadAsync(Stop).AsTask().WaitAsync(TimeSpan.FromMinutes(2), Stop);

    private async Task AdvanceAsync(TimeSpan by)
    {
        await Eventually.TrueAsync(() => _time.WaitingTimers > 0, "the service waits", cancellationToken: Stop);
        _time.Advance(by);
    }

    private sealed class Handle(Func<bool> release) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            release();
            return ValueTask.CompletedTask;
        }
    }
}
