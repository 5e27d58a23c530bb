using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Unit;

public sealed class ProgressCellTests
{
    [Fact]
    public void Rate_and_remaining_time_follow_the_average()
    {
        var time = new WaitableTimeProvider();
        var cell = new ProgressCell(time);

        cell.Report(0, 1_000, null);
        time.Advance(TimeSpan.FromSeconds(10));
        cell.Report(250, null, null);

        cell.Read().Should().Be(new StepProgress(250, 1_000) { Rate = 25, Remaining = TimeSpan.FromSeconds(30) });
    }

    [Fact]
    public void Change_is_taken_once_and_can_be_put_back()
    {
        var cell = new ProgressCell(TimeProvider.System);
        cell.Snapshot().Reported.Should().BeFalse();
        cell.Increment(2);

        (cell.TakeChange(), cell.TakeChange()).Should().Be((true, false));
        cell.PutBack();
        cell.TakeChange().Should().BeTrue();
        cell.Snapshot().Should().Be(new ProgressCell.Numbers(true, 2, null, null));
    }

    [Fact]
    public async Task What_was_reported_once_is_never_seen_as_unreported_while_the_flusher_takes_it()
    {
        var cell = Reported();
        using var stop = new CancellationTokenSource();
        var unreported = 0;
        var looking = Task.Run(
            () =>
            {
                while (!stop.IsCancellationRequested)
                    unreported += cell.Snapshot().Reported ? 0 : 1;
            },
            TestContext.Current.CancellationToken);

        for (var i = 0; i < 200_000; i++)
        {
            Volatile.Write(ref cell, Reported());
            cell.TakeChange();
        }

        await stop.CancelAsync();
        await looking;
        unreported.Should().Be(0);
    }

    private static ProgressCell Reported()
    {
        var cell = new ProgressCell(TimeProvider.System);
        cell.Report(1, null, null);
        return cell;
    }

    [Fact]
    public void Report_allocates_nothing()
    {
        var cell = new ProgressCell(TimeProvider.System);
        cell.Report(1, 2, "x");
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < 1_000; i++)
        {
            cell.Report(i, 1_000, null);
            cell.Increment(1);
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
    }

    public static TheoryData<StepProgress, string> Texts => new()
    {
        { new StepProgress(1_500), "1,500" },
        { new StepProgress(500, 2_000, "rows") { Rate = 120, Remaining = TimeSpan.FromSeconds(12.5) }, "500 of 2,000 rows (25 %), 120 rows/s, 00:00:12 left" },
        { new StepProgress(2_000, 2_000) { Rate = 1.25, Remaining = TimeSpan.Zero }, "2,000 of 2,000 (100 %), 1.3/s" },
        { new StepProgress(3, 0, null, "odd"), "odd (3 of 0)" },
        { new StepProgress(1, 100_000) { Rate = 0.1, Remaining = TimeSpan.FromHours(50) }, "1 of 100,000 (0 %), 0.1/s, 2.02:00:00 left" },
    };

    [Theory]
    [MemberData(nameof(Texts), DisableDiscoveryEnumeration = true)]
    public void Text_shows_what_is_known(StepProgress progress, string expected) => progress.ToText().Should().Be(expected);
}
