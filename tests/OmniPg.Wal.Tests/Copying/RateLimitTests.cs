using OmniPg.Wal.Tests.Backup;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Copying;

/// <summary>Copies at a rate, by a clock on which a wait takes no time and moves the hands.</summary>
[Collection(nameof(BackupCollection))]
public sealed class RateLimitTests(BackupScene scene)
{
    private const long Rate = 128 << 10;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_that_share_a_limit_read_its_bytes_per_second_together_and_make_up_for_no_idle_time()
    {
        var clock = new JumpingClock();
        var limit = new RateLimit(Rate, clock);

        var seconds = new List<double>();
        for (var i = 0; i < 2; i++)
        {
            await using var source = RateLimit.Over(new StreamCopySource(new MemoryStream(new byte[1 << 20])), limit);
            var buffer = new byte[300_000];
            while (await source.ReadAsync(buffer, Token) > 0)
            {
            }

            seconds.Add(clock.Elapsed.TotalSeconds);
            clock.Jump(TimeSpan.FromSeconds(100));
        }

        seconds[0].Should().BeApproximately(8, 0.01);
        seconds[1].Should().BeApproximately(116, 0.01);
    }

    [Fact]
    public async Task A_read_that_waits_is_cancelled_at_once()
    {
        using var stop = new CancellationTokenSource();
        await using var source = RateLimit.Over(new StreamCopySource(new MemoryStream(new byte[1 << 20])), new RateLimit(RateLimit.Least, TimeProvider.System));
        // A piece is an eighth of a second's worth; the next ones are not waited for.
        var buffer = new byte[1 << 20];

        var reading = Task.Run(
            async () =>
            {
                while (await source.ReadAsync(buffer, stop.Token) > 0)
                {
                }
            },
            Token);
        await stop.CancelAsync();

        await FluentActions.Awaiting(() => reading).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task A_backup_and_the_copy_of_it_go_at_their_rates()
    {
        var (store, clock) = (await scene.NewStoreAsync(), new JumpingClock());

        var backup = (await new BaseBackup(scene.Server.DataSource, store, null, new BaseBackupOptions { MaxRate = Rate }, timeProvider: clock).RunAsync(cancellationToken: Token)).Backup;
        var (backupTime, copyClock) = (clock.Elapsed, new JumpingClock());
        var to = await scene.NewStoreAsync();
        await new RepositoryCopy(store, to, new RepositoryCopyOptions { MaxRate = Rate }, timeProvider: copyClock).RunAsync(cancellationToken: Token);

        backupTime.TotalSeconds.Should().BeGreaterThan(0.99 * backup.RawBytes / Rate);
        copyClock.Elapsed.TotalSeconds.Should().BeGreaterThan(0.99 * backup.StoredBytes / Rate).And.BeLessThan(backupTime.TotalSeconds);
    }

    [Fact]
    public async Task The_program_takes_a_rate_and_refuses_one_that_is_none()
    {
        var (store, to) = (await scene.NewStoreAsync(), await scene.NewStoreAsync());
        string[] backup = ["backup", "--connection", scene.Server.ConnectionString, "--data-dir", scene.Server.DataDirectory, "--archive", scene.Archive, "--dst-local", store.Root, "--max-rate"];
        string[] archive = ["archive", "--data-dir", scene.Server.DataDirectory, "--dst-local", to.Root, "--begin", Segment(), "--max-rate"];

        var began = TimeProvider.System.GetTimestamp();
        var slow = await WalProgram.RunAsync([.. archive, "256kB"]);
        var took = TimeProvider.System.GetElapsedTime(began);
        var made = await WalProgram.RunAsync([.. backup, "1GB"]);
        var copied = await WalProgram.RunAsync("copy", "--archive", scene.Archive, "--source", store.Root, "--backup", "latest", "--to", to.Root, "--max-rate", "1GB");
        string[] none = ["0", "fast", "-1MB", "1B"];

        (slow.ExitCode, made.ExitCode, copied.ExitCode).Should().Be((0, 0, 0), slow.Error + made.Error + copied.Error);
        took.Should().BeGreaterThan(TimeSpan.FromSeconds(3), "1 MiB at 256 kB in a second");
        foreach (var rate in none)
        {
            var refused = await WalProgram.RunAsync([.. backup, rate]);
            refused.ExitCode.Should().Be(64, rate);
            refused.Error.Should().Contain("rate", rate);
        }
    }

    [Fact]
    public async Task An_archiver_goes_at_its_rate()
    {
        var clock = new JumpingClock();
        var to = await scene.NewStoreAsync();
        var options = new WalArchiveOptions
        {
            DataDirectory = scene.Server.DataDirectory, MaxRate = Rate, Destinations = [new WalDestinationOptions { Directory = to.Root, Codec = "zstd" }],
        };
        await using var archiver = new WalArchiver(options, timeProvider: clock);

        await archiver.ArchiveAsync(Segment(), Token);

        // 1 MiB; what else waits on the way, waits for less than it takes to read it again.
        clock.Elapsed.TotalSeconds.Should().BeInRange(8, 12);
    }

    [Fact]
    public async Task What_the_rate_holds_back_is_no_time_that_a_destination_takes()
    {
        var to = await scene.NewStoreAsync();
        var options = new WalArchiveOptions
        {
            DataDirectory = scene.Server.DataDirectory, MaxRate = Rate, Timeout = TimeSpan.FromSeconds(5), Destinations = [new WalDestinationOptions { Directory = to.Root }],
        };
        await using var archiver = new WalArchiver(options, timeProvider: new JumpingClock());

        var segment = Segment();

        // 8 s for 1 MiB.
        await archiver.ArchiveAsync(segment, Token);

        File.Exists(Path.Combine(to.Root, Path.GetFileName(segment))).Should().BeTrue();
    }

    private string Segment() =>
        Directory.GetFiles(Path.Combine(scene.Server.DataDirectory, "pg_wal"), "0*").Where(f => Path.GetFileName(f).Length == 24).Order(StringComparer.Ordinal).First();

    /// <summary>A clock that a wait moves, and that nothing else does.</summary>
    private sealed class JumpingClock : TimeProvider
    {
        private readonly List<Watch> _watches = [];
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public TimeSpan Elapsed => new(Volatile.Read(ref _ticks));

        public void Jump(TimeSpan time)
        {
            var now = Interlocked.Add(ref _ticks, time.Ticks);
            lock (_watches)
                foreach (var watch in _watches)
                    watch.FireIfDue(now);
        }

        public override long GetTimestamp() => Volatile.Read(ref _ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            // What repeats, or is longer, is no wait: it watches over something.
            var isWait = dueTime > TimeSpan.Zero && dueTime <= TimeSpan.FromSeconds(1) && period == Timeout.InfiniteTimeSpan;
            if (isWait)
            {
                Jump(dueTime);
                ThreadPool.QueueUserWorkItem(_ => callback(state));
            }

            var watch = new Watch(this, callback, state);
            watch.Change(isWait ? Timeout.InfiniteTimeSpan : dueTime, period);
            lock (_watches)
                _watches.Add(watch);
            return watch;
        }

        /// <summary>Fires once, when the hands have gone over its time.</summary>
        private sealed class Watch(JumpingClock clock, TimerCallback callback, object? state) : ITimer
        {
            private long _due = long.MaxValue;

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                Volatile.Write(ref _due, dueTime == Timeout.InfiniteTimeSpan || period != Timeout.InfiniteTimeSpan ? long.MaxValue : clock.GetTimestamp() + dueTime.Ticks);
                return true;
            }

            public void FireIfDue(long now)
            {
                if (now < Volatile.Read(ref _due))
                    return;
                Volatile.Write(ref _due, long.MaxValue);
                ThreadPool.QueueUserWorkItem(_ => callback(state));
            }

            public void Dispose() => Volatile.Write(ref _due, long.MaxValue);

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
