using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Shared.Tests;

public sealed class AdvisoryLockKeyTests(PgClusterFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0L)]
    [InlineData(42L)]
    [InlineData(-1L)]
    [InlineData(long.MinValue)]
    public async Task A_long_key_looks_in_pg_locks_as_it_says(long key)
    {
        var lockKey = AdvisoryLockKey.FromInt64(key);

        var seen = await LockAndLookAsync("SELECT pg_advisory_lock($1)", lockKey.Number);

        seen.Should().Be((lockKey.ClassId, lockKey.ObjectId, lockKey.ObjectSubId));
    }

    [Theory]
    [InlineData(1443925283, -802434602)]
    [InlineData(-1, 0)]
    [InlineData(int.MinValue, int.MaxValue)]
    public async Task A_pair_looks_in_pg_locks_as_it_says(int first, int second)
    {
        var lockKey = AdvisoryLockKey.FromPair(first, second);

        var seen = await LockAndLookAsync("SELECT pg_advisory_lock($1, $2)", lockKey.Pair.First, lockKey.Pair.Second);

        seen.Should().Be((lockKey.ClassId, lockKey.ObjectId, lockKey.ObjectSubId));
        lockKey.ToString().Should().Be($"{first}, {second}");
    }

    [Fact]
    public void A_key_of_one_kind_does_not_pass_for_the_other()
    {
        var asPair = () => AdvisoryLockKey.FromInt64(1).Pair;
        var asNumber = () => AdvisoryLockKey.FromPair(0, 1).Number;

        asPair.Should().Throw<InvalidOperationException>();
        asNumber.Should().Throw<InvalidOperationException>();
        AdvisoryLockKey.FromPair(0, 1).Should().NotBe(AdvisoryLockKey.FromInt64(1));
    }

    private async Task<(uint ClassId, uint ObjectId, short SubId)> LockAndLookAsync(string sql, params object[] values)
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: Token);
        await using var connection = await database.DataSource.OpenConnectionAsync(Token);
        await using var take = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            take.Parameters.Add(new NpgsqlParameter { Value = value });
        await take.ExecuteNonQueryAsync(Token);
        await using var look = new NpgsqlCommand("SELECT classid, objid, objsubid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()", connection);
        await using var reader = await look.ExecuteReaderAsync(Token);
        await reader.ReadAsync(Token);
        return (reader.GetFieldValue<uint>(0), reader.GetFieldValue<uint>(1), reader.GetFieldValue<short>(2));
    }
}
