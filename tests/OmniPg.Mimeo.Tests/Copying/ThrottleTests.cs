using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Copies that are held back to a number of bytes per second.</summary>
public sealed class ThrottleTests(PgClusterFixture fixture)
{
    [Fact]
    public void What_was_copied_is_paid_for_in_time_and_nothing_is_saved_up()
    {
        var time = new FakeTimeProvider();
        var throttle = new Throttle(1000, time);

        throttle.Take(500).Should().Be(TimeSpan.FromSeconds(0.5));
        // By another copy at the same moment.
        throttle.Take(1000).Should().Be(TimeSpan.FromSeconds(1.5));
        time.Advance(TimeSpan.FromSeconds(1));
        throttle.Take(100).Should().Be(TimeSpan.FromSeconds(0.6));
        time.Advance(TimeSpan.FromSeconds(60));
        throttle.Take(100).Should().Be(TimeSpan.FromSeconds(0.1));
    }

    [Fact]
    public async Task A_refresh_takes_the_time_that_its_bytes_need_and_is_cancelled_while_it_waits()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => o.MaxBytesPerSecond = 500_000);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t AS SELECT i, repeat('x', 1000) AS w FROM generate_series(1, 800) i");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", null, new CreateOptions { PullData = false });

        var clock = Stopwatch.StartNew();
        var refreshed = await mimeo.RefreshAsync("public.t");
        clock.Elapsed.Should().BeGreaterThan(TimeSpan.FromSeconds((refreshed.Bytes / 500_000.0) - 0.1));
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");

        var slow = new MimeoClient(mimeo.Databases.Destination.DataSource, new MimeoOptions { MaxBytesPerSecond = 1024 });
        using var cancelled = new CancellationTokenSource();
        var refreshing = slow.RefreshAsync(QualifiedName.Parse("public.t"), cancellationToken: cancelled.Token);
        await Eventually.TrueAsync(
            async () => await mimeo.Databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY %FROM STDIN%' AND wait_event = 'ClientRead')"), "rows are held back",
            cancellationToken: TestContext.Current.CancellationToken);
        await cancelled.CancelAsync();
        await refreshing.Awaiting(r => r.WaitAsync(TimeSpan.FromSeconds(60))).Should().ThrowAsync<OperationCanceledException>();
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(800);
    }
}
