using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>A disk that fills up on either side while a table is refreshed.</summary>
public sealed class FullDiskTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_destination_without_space_keeps_its_rows_and_goes_on_once_there_is_some(ReplicationKind kind)
    {
        await using var disk = await DiskAsync(2 << 20);
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 1000) i");
        // The driver's pool would go on without the new default.
        await mimeo.Databases.AtDestinationAsync($"ALTER DATABASE {mimeo.Databases.Destination.Name} SET default_tablespace = {disk.Name}; ALTER DATABASE {mimeo.Databases.Destination.Name} SET temp_tablespaces = pg_default");
        mimeo.Databases.Destination.DataSource.Clear();
        await mimeo.CreateAsync(kind, "public.t");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id <= 10; INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(2000, 30000) i");

        var refreshing = () => mimeo.RefreshAsync("public.t", new RefreshOptions { SkipUnchanged = false });

        (await refreshing.Should().ThrowAsync<MimeoException>()).Which.SqlState.Should().Be("53100");
        (await mimeo.Databases.DestinationAsync<string>("SELECT count(*) || ' ' || count(*) FILTER (WHERE w = 'old') FROM t")).Should().Be("1000 1000");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id >= 2500");
        disk.Free();
        // What was rolled back takes space until then, and the vacuum writes a free space map first.
        if (kind is ReplicationKind.Dml or ReplicationKind.Logical)
            await mimeo.Databases.AtDestinationAsync("VACUUM t");
        await refreshing();
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
        await mimeo.DropAsync("public.t", keepTable: false);
    }

    [Fact]
    public async Task A_source_without_space_for_its_join_is_told_as_the_source_and_keeps_its_queue()
    {
        await using var disk = await DiskAsync(1 << 20);
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id text PRIMARY KEY); INSERT INTO t SELECT repeat(i::text, 20) FROM generate_series(1, 20000) i");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtSourceAsync($"UPDATE t SET id = id || 'x'; ALTER DATABASE {mimeo.Databases.Source.Name} SET temp_tablespaces = {disk.Name}; ALTER DATABASE {mimeo.Databases.Source.Name} SET work_mem = '64kB'");
        // Of tables without statistics some servers read two indexes side by side, which takes no space.
        await mimeo.Databases.AtSourceAsync($"ALTER DATABASE {mimeo.Databases.Source.Name} SET enable_mergejoin = off; ALTER DATABASE {mimeo.Databases.Source.Name} SET enable_nestloop = off");
        await NewSessionsAsync(mimeo);

        var refreshing = () => mimeo.RefreshAsync("public.t");

        var error = (await refreshing.Should().ThrowAsync<MimeoException>()).Which;
        error.SqlState.Should().Be("53100");
        (error is CopyInterruptedException { Side: CopySide.Source } or SourceConnectionException).Should().BeTrue();
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM omnipg_mimeo.public_t_q")).Should().Be(40_000);
        await mimeo.Databases.AtSourceAsync($"ALTER DATABASE {mimeo.Databases.Source.Name} RESET temp_tablespaces");
        await NewSessionsAsync(mimeo);
        await refreshing();
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    // Settings of a database are those of its next session, and the client keeps its own for a while.
    private static Task NewSessionsAsync(Mimeo mimeo) =>
        mimeo.Databases.AtSourceAsync("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");

    /// <summary>Room for the tables of these tests, with a little taken that who finds the disk full can free.</summary>
    private async Task<SmallTablespace> DiskAsync(long bytes)
    {
        var disk = await SmallTablespace.TryCreateAsync(fixture.Cluster, bytes, TestContext.Current.CancellationToken);
        Assert.SkipWhen(disk is null, "This process may not mount a file system.");
        disk.Take(128 << 10);
        return disk;
    }
}
