using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Tending;

public sealed class FreezeTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    // The xid and not its age, which the tests beside this one make grow.
    private const string FrozenXids = "SELECT array_agg(c.relname || ' ' || c.relfrozenxid ORDER BY c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass";

    private async Task CreateAsync()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(), Token);
        await Run("INSERT INTO events SELECT generate_series(1, 25)");
        for (var i = 0; i < 8; i++)
            await Run("INSERT INTO events VALUES (25)");
    }

    [Fact]
    public async Task Partitions_that_get_no_new_rows_are_frozen_and_the_others_left_alone()
    {
        await CreateAsync();
        var options = new FreezeOptions { MinimumAge = 5 };

        var plan = await Partman.PlanFreezeAsync(Events, options, Token);
        var old = await Ask<string[]>(FrozenXids);
        var frozen = await Partman.FreezeAsync(Events, options, cancellationToken: Token);
        var left = await Ask<string[]>(FrozenXids);
        var again = await Partman.FreezeAsync(Events, new FreezeOptions { MinimumAge = 1000 }, cancellationToken: Token);

        plan.Steps.Select(s => s.Sql).Should().Equal("VACUUM (FREEZE, SKIP_LOCKED) \"public\".\"events_p0\"", "VACUUM (FREEZE, SKIP_LOCKED) \"public\".\"events_p10\"");
        plan.BlocksReads.Should().BeFalse();
        frozen.Select(f => (f.Partition.Name.Value, f.Outcome)).Should().Equal(("events_p0", FreezeFate.Frozen), ("events_p10", FreezeFate.Frozen));
        frozen.Should().OnlyContain(f => f.AgeBefore > 5 && f.AgeAfter < f.AgeBefore);
        old.Intersect(left).Select(xid => xid.Split(' ')[0]).Should().Contain("events_p20").And.NotContain(["events_p0", "events_p10"]);
        again.Should().BeEmpty();
        (await Partman.PlanFreezeAsync(Events, cancellationToken: Token)).IsEmpty.Should().BeTrue("nothing here is as old as the server's own limit");
    }

    [Fact]
    public async Task A_partition_that_somebody_holds_is_passed_over_and_told()
    {
        await CreateAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await holder.BeginTransactionAsync(Token);
        await using (var hold = new NpgsqlCommand("LOCK TABLE events_p0 IN SHARE MODE", holder, transaction))
            await hold.ExecuteNonQueryAsync(Token);

        var frozen = await Partman.FreezeAsync(Events, new FreezeOptions { MinimumAge = 5 }, cancellationToken: Token);

        frozen.Select(f => (f.Partition.Name.Value, f.Outcome)).First().Should().Be(("events_p0", FreezeFate.Held));
    }

    [Fact]
    public async Task Partitions_of_partitions_are_frozen_where_their_rows_are()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, kind bigint NOT NULL) PARTITION BY RANGE (id)");
        await Partman.CreateAsync(Events, Tens(o => o.SubPartitions = new PartitionSetOptions { Control = "kind", IdInterval = 5, Premake = 1, DefaultPartition = false }), Token);
        await Run("INSERT INTO events VALUES (1, 1), (35, 1)");
        for (var i = 0; i < 8; i++)
            await Run("INSERT INTO events VALUES (35, 1)");

        var frozen = await Partman.FreezeAsync(Events, new FreezeOptions { MinimumAge = 5 }, cancellationToken: Token);

        frozen.Select(f => f.Partition.Name.Value).Should().StartWith(["events_p0_p0", "events_p0_p5"]).And.NotContain("events_p0").And.NotContain("events_p30_p0");
        frozen.Should().OnlyContain(f => f.Outcome == FreezeFate.Frozen);
    }
}
