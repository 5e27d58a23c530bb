using OmniPg.Partman.Tests.Converting;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Repartitioning;

public sealed class RepartitionUnderLoadTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const int Rows = 1200;
    private static readonly QualifiedName Orders = QualifiedName.Parse("public.orders");

    private async Task<PartmanClient> CreateAsync()
    {
        var patient = Client(o => (o.LockAttempts, o.LockTimeout) = (100, TimeSpan.FromSeconds(1)));
        var (before, behind) = (ShadowWriters.Tables.IndexOf("WITH made", StringComparison.Ordinal), ShadowWriters.Tables.Replace("{rows}", Rows.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal));
        await Run(behind[..before].Replace("IDENTITY PRIMARY KEY, at timestamptz NOT NULL, note text)", "IDENTITY, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)", StringComparison.Ordinal));
        await patient.CreateAsync(Orders, Daily(o => o.Start = DateTimeOffset.UtcNow.AddDays(-8)), Token);
        await Run(behind[before..]);
        return patient;
    }

    [Fact]
    public async Task What_writers_of_every_isolation_do_is_in_the_partitions_that_come()
    {
        var partman = await CreateAsync();
        await using var writers = new ShadowWriters(Database.ConnectionString, 6, Rows, seed: 11, truncates: 2);
        await writers.WaitAsync(20, Token);

        var merged = await partman.RepartitionAsync(Orders, new RepartitionOptions { Interval = PgInterval.OfDays(3), Rewrite = true, BatchSize = 150 }, cancellationToken: Token);
        await writers.WaitAsync(50, Token);
        var between = await Ask<long>(ShadowWriters.Differences);
        var split = await partman.RepartitionAsync(Orders, new RepartitionOptions { Interval = PgInterval.OfDays(1), Rewrite = true, BatchSize = 150 }, cancellationToken: Token);
        await writers.WaitAsync(20, Token);
        await writers.StopAsync();

        between.Should().Be(0);
        (await Ask<long>(ShadowWriters.Differences)).Should().Be(0);
        merged.Groups.Sum(g => g.Partitions.Count).Should().BeLessThan(merged.Groups.Sum(g => g.Former.Count));
        split.Groups.Sum(g => g.Partitions.Count).Should().BeGreaterThan(split.Groups.Sum(g => g.Former.Count));
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname ~ '_omnipg_'")).Should().Be(0);
    }

    [Fact]
    public async Task Backends_that_are_killed_while_they_work_cost_no_row()
    {
        await CreateAsync();
        await using var writers = new ShadowWriters(Database.ConnectionString, 4, Rows, seed: 12, truncates: 1);
        await writers.WaitAsync(20, Token);
        await using var source = Npgsql.NpgsqlDataSource.Create(Database.ConnectionString + ";Application Name=repartitioner");
        var partman = new PartmanClient(source, new PartmanOptions { LockAttempts = 100, LockTimeout = TimeSpan.FromSeconds(1), MaxBackoff = TimeSpan.FromMilliseconds(200) });
        var (kills, failures, done) = (0, 0, default(RepartitionResult));

        for (; done is null; failures++)
        {
            failures.Should().BeLessThan(100);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var killer = KillAsync(stop.Token);
            try
            {
                done = await partman.RepartitionAsync(Orders, new RepartitionOptions { Interval = PgInterval.OfDays(2), Rewrite = true, BatchSize = 100 }, cancellationToken: Token);
            }
            catch (Exception error) when (error is PartmanServerException or PartmanBusyException or StalePlanException or Npgsql.NpgsqlException)
            {
            }
            await stop.CancelAsync();
            await killer;
        }
        await writers.StopAsync();

        kills.Should().BePositive();
        (await Ask<long>(ShadowWriters.Differences)).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname ~ '_omnipg_'")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'omnipg'")).Should().Be(0);

        async Task KillAsync(CancellationToken stop)
        {
            while (!stop.IsCancellationRequested && kills < 12)
            {
                kills += (int)await Database.ScalarAsync<long>(
                    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'repartitioner' AND state <> 'idle' ORDER BY random() LIMIT 1) a", Token);
                await Task.Delay(TimeSpan.FromMilliseconds(40), CancellationToken.None);
            }
        }
    }
}
