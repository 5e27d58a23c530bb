using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Faults;

/// <summary>Whatever ends a run in its middle, its locks are free and the next one goes on.</summary>
public sealed class InterruptionTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass)";

    private async Task<(NpgsqlConnection Holder, NpgsqlTransaction Transaction)> HoldAsync()
    {
        var holder = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);
        return (holder, transaction);
    }

    [Fact]
    public async Task A_run_that_is_cancelled_keeps_what_is_done_leaves_the_rest_and_gives_its_locks_back()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 3), Token);
        await Run("INSERT INTO events VALUES (25)");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        (NpgsqlConnection Holder, NpgsqlTransaction Transaction)? held = null;
        var patient = Client(o => o.LockTimeout = TimeSpan.FromMinutes(1));

        var running = patient.MaintainAsync(Only(Events), new Told(c => held ??= Task.Run(HoldAsync).GetAwaiter().GetResult()), stop.Token);
        await Eventually.TrueAsync(() => Ask<bool>(Waits), "the second partition waits", cancellationToken: Token);
        await stop.CancelAsync();

        await FluentActions.Awaiting(() => running).Should().ThrowAsync<OperationCanceledException>();
        await held!.Value.Transaction.RollbackAsync(Token);
        await held.Value.Holder.DisposeAsync();
        (await NamesAsync()).Should().Equal("events_default", "events_p0", "events_p10", "events_p20", "events_p30", "events_p40");
        await Eventually.TrueAsync(() => Ask<bool>("SELECT NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND l.locktype = 'advisory')"), "no lock of the run is left", cancellationToken: Token);
        (await MaintainAsync()).Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p50");
    }

    [Fact]
    public async Task A_connection_that_breaks_in_the_middle_of_a_step_undoes_that_step_alone()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events VALUES (25)");
        var (holder, transaction) = await HoldAsync();
        await using var closing = holder;
        await using var rolling = transaction;

        var running = Client(o => o.LockTimeout = TimeSpan.FromMinutes(1)).MaintainAsync(Only(Events), cancellationToken: Token);
        await Eventually.TrueAsync(() => Ask<bool>(Waits), "the first partition waits", cancellationToken: Token);
        await Run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
        await Eventually.TrueAsync(() => Ask<bool>(Waits), "the second partition waits", cancellationToken: Token);
        await transaction.RollbackAsync(Token);
        var set = (await running).Sets.Single();

        set.Error.Should().BeOfType<PartmanServerException>().Which.IsTransient.Should().BeTrue();
        set.Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p60");
        (await MaintainAsync()).Changes.Select(c => c.Partition.Name.Value).Should().Equal("events_p50");
    }

    [Fact]
    public async Task Partitions_lie_in_the_tablespace_of_their_set()
    {
        Sync("SET allow_in_place_tablespaces = on", "CREATE TABLESPACE partman_space LOCATION ''");
        try
        {
            await Run("CREATE TABLE events (id bigint PRIMARY KEY USING INDEX TABLESPACE partman_space, note text) PARTITION BY RANGE (id) TABLESPACE partman_space");
            await Partman.CreateAsync(Events, Tens(), Token);
            await Run("INSERT INTO events VALUES (25)");

            await MaintainAsync();

            (await Ask<long>("SELECT count(*) FROM pg_partition_tree('events') t JOIN pg_class c ON c.oid = t.relid WHERE t.level = 1 AND c.reltablespace = (SELECT oid FROM pg_tablespace WHERE spcname = 'partman_space')")).Should().Be(8);
            (await Ask<long>("SELECT count(*) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_inherits h ON h.inhrelid = i.indrelid AND h.inhparent = 'events'::regclass WHERE x.reltablespace = (SELECT oid FROM pg_tablespace WHERE spcname = 'partman_space')")).Should().Be(8);
        }
        finally
        {
            Sync("DROP TABLE IF EXISTS events", "DROP TABLESPACE partman_space");
        }
    }
}
