using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Converting;

public sealed class ConversionUnderLoadTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const int Rows = 1200;
    private static readonly QualifiedName Orders = QualifiedName.Parse("public.orders");

    private static ConversionOptions EverySecondDay() => new() { Set = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(2) }, BatchSize = 150 };

    private Task TablesAsync() => Run(ShadowWriters.Tables.Replace("{rows}", Rows.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal));

    private PartmanClient Patient() => Client(o => (o.LockAttempts, o.LockTimeout) = (100, TimeSpan.FromSeconds(1)));

    [Fact]
    public async Task What_writers_of_every_isolation_do_is_in_the_set_and_on_the_way_back()
    {
        await TablesAsync();
        await using var writers = new ShadowWriters(Database.ConnectionString, 6, Rows, seed: 1, truncates: 2);
        var partman = Patient();

        await writers.WaitAsync(20, Token);
        var done = await partman.ConvertAsync(Orders, EverySecondDay(), cancellationToken: Token);
        await writers.WaitAsync(100, Token);
        var swapped = await Ask<long>(ShadowWriters.Differences);
        await partman.SwapBackAsync(done.Id, cancellationToken: Token);
        await writers.StopAsync();

        swapped.Should().Be(0);
        (await Ask<long>(ShadowWriters.Differences)).Should().Be(0);
        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be("r");
    }

    [Fact]
    public async Task A_conversion_that_ends_at_any_step_goes_on_from_there()
    {
        await TablesAsync();
        await using var writers = new ShadowWriters(Database.ConnectionString, 4, Rows, seed: 2);
        await writers.WaitAsync(20, Token);
        var (partman, ends, steps) = (Patient(), 0, new Dictionary<(bool, ConversionStep), int>());
        var isBack = false;

        var told = await ToTheEndAsync(progress => partman.ConvertAsync(Orders, EverySecondDay(), progress, Token), id => partman.ResumeConversionAsync(id, Ending(), Token));
        await writers.WaitAsync(50, Token);
        isBack = true;
        var back = await ToTheEndAsync(progress => partman.SwapBackAsync(told.Id, progress, Token), id => partman.SwapBackAsync(id, Ending(), Token));
        await writers.StopAsync();

        told.Phase.Should().Be(ConversionPhase.Swapped);
        back.Phase.Should().Be(ConversionPhase.SwappedBack);
        (await Ask<long>(ShadowWriters.Differences)).Should().Be(0);
        ends.Should().BeGreaterThan(11);
        steps.Keys.Where(s => !s.Item1).Select(s => s.Item2).Should().BeEquivalentTo(Enum.GetValues<ConversionStep>().Except([ConversionStep.Drain]));

        // The first reports of each step are the last thing that a run does.
        Ends Ending() => new(p =>
        {
            var isLast = (steps[(isBack, p.Step)] = steps.GetValueOrDefault((isBack, p.Step)) + 1) <= 2;
            ends += isLast ? 1 : 0;
            return isLast;
        });

        async Task<Conversion> ToTheEndAsync(Func<IProgress<ConversionProgress>, Task<Conversion>> begin, Func<long, Task<Conversion>> again)
        {
            for (var isFirst = true; ; isFirst = false)
            {
                try
                {
                    return await (isFirst ? begin(Ending()) : again((await partman.ListConversionsAsync(Token)).Single().Id));
                }
                catch (TimeoutException)
                {
                }
            }
        }
    }

    [Fact]
    public async Task Backends_that_are_killed_while_they_work_cost_no_row()
    {
        await TablesAsync();
        await using var writers = new ShadowWriters(Database.ConnectionString, 4, Rows, seed: 3, truncates: 2);
        await writers.WaitAsync(20, Token);
        await using var source = Npgsql.NpgsqlDataSource.Create(Database.ConnectionString + ";Application Name=converter");
        var partman = new PartmanClient(source, new PartmanOptions { LockAttempts = 100, LockTimeout = TimeSpan.FromSeconds(1), MaxBackoff = TimeSpan.FromMilliseconds(200) });
        var kills = 0;

        Conversion? done = null;
        for (var failures = 0; done is null; failures++)
        {
            failures.Should().BeLessThan(100);
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var killer = KillAsync(stop.Token);
            try
            {
                done = (await partman.ListConversionsAsync(Token)) is [{ } open] ? await partman.ResumeConversionAsync(open.Id, cancellationToken: Token) : await partman.ConvertAsync(Orders, EverySecondDay(), cancellationToken: Token);
            }
            catch (Exception error) when (error is PartmanServerException or PartmanBusyException or Npgsql.NpgsqlException)
            {
            }
            await stop.CancelAsync();
            await killer;
        }
        await writers.StopAsync();

        done.Phase.Should().Be(ConversionPhase.Swapped);
        kills.Should().BePositive();
        (await Ask<long>(ShadowWriters.Differences)).Should().Be(0);

        async Task KillAsync(CancellationToken stop)
        {
            while (!stop.IsCancellationRequested && kills < 12)
            {
                kills += (int)await Database.ScalarAsync<long>(
                    "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'converter' AND state <> 'idle' ORDER BY random() LIMIT 1) a", Token);
                await Task.Delay(TimeSpan.FromMilliseconds(40), CancellationToken.None);
            }
        }
    }

    private sealed class Ends(Func<ConversionProgress, bool> isLast) : IProgress<ConversionProgress>
    {
        public void Report(ConversionProgress value)
        {
            if (isLast(value))
                throw new TimeoutException();
        }
    }
}
