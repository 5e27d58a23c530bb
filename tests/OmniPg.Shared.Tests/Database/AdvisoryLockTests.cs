using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class AdvisoryLockTests(PgClusterFixture fixture)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);

    private readonly WaitableTimeProvider _time = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_holder_at_a_time_and_a_session_goes_back_to_its_pool_without_the_lock(bool pair)
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var key = pair ? AdvisoryLockKey.FromPair(1, -2) : AdvisoryLockKey.FromInt64(long.MinValue);

        await using (var held = await TryAcquireAsync(database.DataSource, key))
        {
            held.Should().NotBeNull();
            (await TryAcquireAsync(database.DataSource, key)).Should().BeNull();
            await using var other = await TryAcquireAsync(database.DataSource, AdvisoryLockKey.FromInt64(7));
            other.Should().NotBeNull();
        }

        (await database.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", Stop))
            .Should().Be(0);
        await using var again = await TryAcquireAsync(database.DataSource, key);
        again.Should().NotBeNull();
    }

    [Fact]
    public async Task The_end_of_the_session_is_told_at_the_next_look_and_giving_back_is_not()
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        var key = AdvisoryLockKey.FromInt64(42);
        var held = (await TryAcquireAsync(database.DataSource, key))!;
        var kept = (await TryAcquireAsync(database.DataSource, AdvisoryLockKey.FromInt64(43)))!;
        var (lost, never) = (held.Lost, kept.Lost);

        await database.ScalarAsync<bool>("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", Stop);
        await Eventually.TrueAsync(
            async () => await database.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", Stop) == 0, "the backend ends", cancellationToken: Stop);
        lost.IsCancellationRequested.Should().BeFalse();
        _time.Advance(LookEvery);
        await Eventually.TrueAsync(() => lost.IsCancellationRequested, "the loss is told", cancellationToken: Stop);
        await using (var next = await TryAcquireAsync(database.DataSource, key))
            next.Should().NotBeNull();
        await held.DisposeAsync();
        await held.DisposeAsync();
        await kept.DisposeAsync();

        never.IsCancellationRequested.Should().BeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_lock_that_is_given_back_leaves_its_session_to_the_pool(bool pair)
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { MaxPoolSize = 1 });
        var before = await PidAsync();

        await (await TryAcquireAsync(source, pair ? AdvisoryLockKey.FromPair(1, 2) : AdvisoryLockKey.FromInt64(45)))!.DisposeAsync();

        (await PidAsync()).Should().Be(before);

        async Task<int> PidAsync()
        {
            await using var connection = await source.OpenConnectionAsync(Stop);
            return connection.ProcessID;
        }
    }

    [Fact]
    public async Task A_session_that_cannot_give_the_lock_back_does_not_go_back_to_its_pool_with_it()
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Stop);
        await database.ExecuteAsync("CREATE ROLE lock_keeper LOGIN; REVOKE EXECUTE ON FUNCTION pg_advisory_unlock(bigint) FROM PUBLIC", Stop);
        var settings = new NpgsqlConnectionStringBuilder(database.DataSource.ConnectionString) { Username = "lock_keeper", NoResetOnClose = true };
        await using var source = NpgsqlDataSource.Create(settings);
        var key = AdvisoryLockKey.FromInt64(44);

        await (await TryAcquireAsync(source, key))!.DisposeAsync();

        await Eventually.TrueAsync(
            async () => await database.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 44 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", Stop) == 0, "the lock is free", cancellationToken: Stop);
        await using var next = await TryAcquireAsync(source, key);
        next.Should().NotBeNull();
    }

    private Task<AdvisoryLock?> TryAcquireAsync(NpgsqlDataSource source, AdvisoryLockKey key) =>
        AdvisoryLock.TryAcquireAsync(source.OpenConnectionAsync, key, LookEvery, _time, Stop);
}
