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

        await database.ScalarAsync<bool>("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42", Stop);
        await Eventually.TrueAsync(
            async () => await database.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42", Stop) == 0, "the backend ends", cancellationToken: Stop);
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

    private Task<AdvisoryLock?> TryAcquireAsync(NpgsqlDataSource source, AdvisoryLockKey key) =>
        AdvisoryLock.TryAcquireAsync(source.OpenConnectionAsync, key, LookEvery, _time, Stop);
}
