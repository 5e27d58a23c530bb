using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Repartitioning;

/// <summary>A set by id of tens, with rows in its first partitions.</summary>
public abstract class RepartitionTest(PgClusterFixture fixture) : PartmanTest(fixture)
{
    protected const string Content = "SELECT count(*) || ' ' || md5(string_agg(e::text, E'\\n' ORDER BY id)) FROM events e";
    protected const string Left = "SELECT count(*) FROM pg_class WHERE relname ~ 'omnipg' AND relnamespace = 'public'::regnamespace";

    protected static RepartitionOptions Ids(long interval, bool rewrite = false) => new() { IdInterval = interval, Rewrite = rewrite, BatchSize = 7 };

    protected async Task CreateAsync(string columns = "id bigint PRIMARY KEY, note text", int rows = 25)
    {
        await Run($"CREATE TABLE events ({columns}) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run($"INSERT INTO events (id, note) SELECT n, 'n' || n FROM generate_series(1, {rows}) n");
        await MaintainAsync();
    }

    /// <summary>Ends a run in its middle, and keeps it from clearing up.</summary>
    protected async Task LeaveAsync()
    {
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);
        var act = () => Partman.RepartitionAsync(Events, Ids(30, rewrite: true), new Steps(p =>
        {
            if (p.Step != ConversionStep.Verify)
                return;
            // From here on nobody gets rid of the triggers.
            transaction = holder.BeginTransaction();
            using var hold = new NpgsqlCommand("SELECT count(*) FROM events_p10", holder, transaction);
            hold.ExecuteScalar();
            throw new TimeoutException();
        }), Token);
        await act.Should().ThrowAsync<TimeoutException>();
        await transaction!.RollbackAsync(Token);
    }

    protected sealed class Steps(Action<RepartitionProgress> act) : IProgress<RepartitionProgress>
    {
        public void Report(RepartitionProgress value) => act(value);
    }
}
