using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What the result of a refresh says of the log that it has read.</summary>
public sealed class LogicalResultTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task The_bytes_are_those_that_came_of_each_change_and_none_that_memory_took()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text)");
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.t");

        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i; UPDATE t SET w = repeat('y', 100)");
        var result = await mimeo.RefreshAsync("public.t");

        result.Rows.Should().Be(1000);
        // Each value in each change, with the few bytes that pgoutput writes around it; of the second change in its place, which came as well.
        result.Bytes.Should().BeInRange(2 * 1000 * 104, 2 * 1000 * 150);
        (await mimeo.RefreshAsync("public.t")).Bytes.Should().Be(0);
    }
}
