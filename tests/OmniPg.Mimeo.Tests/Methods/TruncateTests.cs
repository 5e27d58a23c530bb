using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What each method makes of a TRUNCATE at the source.</summary>
public sealed class TruncateTests(PgClusterFixture fixture)
{
    private const string Warning = "Source 'public.t' was truncated or rewritten, or partitions came or went, since all of its rows were read: a queue is not told of such rows. ";

    [Theory]
    [InlineData(ReplicationKind.Snapshot, 0, null)]
    [InlineData(ReplicationKind.Table, 0, null)]
    // The row with the largest number was never there.
    [InlineData(ReplicationKind.Inserter, 9, null)]
    [InlineData(ReplicationKind.Updater, 9, null)]
    [InlineData(ReplicationKind.Dml, 10, Warning + "Repull the table, unless they are to stay as they are.")]
    [InlineData(ReplicationKind.Logdel, 10, Warning + "Repair the table, which keeps rows that are gone as deleted ones, then repull it, unless they are to stay as they are.")]
    [InlineData(ReplicationKind.Logical, 0, null)]
    public async Task Rows_go_where_all_rows_or_the_log_are_read_and_stay_where_changes_of_rows_are_which_is_told(ReplicationKind kind, int rows, string? warning)
    {
        await using var mimeo = await CreateAsync(kind);

        await mimeo.Databases.AtSourceAsync("TRUNCATE t");
        var refreshed = await mimeo.RefreshAsync("public.t");

        refreshed.Warnings.Should().Equal(warning is null ? (string[])[] : [warning]);
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(rows);
    }

    [Theory]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logical)]
    public async Task Rows_stay_as_the_last_refresh_left_them_where_deletes_are_ignored_and_what_comes_after_it_arrives(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync(kind, s => s with { IgnoreDeletes = true });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'seen' WHERE id = 1");
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'unseen' WHERE id = 2; INSERT INTO t VALUES (11, 'unseen'); TRUNCATE t; INSERT INTO t VALUES (3, 'again'), (20, 'new'); UPDATE t SET w = 'newer' WHERE id = 20");
        var refreshed = await mimeo.RefreshAsync("public.t");

        refreshed.Warnings.Should().HaveCount(kind == ReplicationKind.Dml ? 1 : 0);
        await StayAsync();
        // Neither does a copy of all rows take them away, and it ends the warning.
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All })).Warnings.Should().BeEmpty();
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        await StayAsync();
        (await mimeo.Client.CompareAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();

        async Task StayAsync() => (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || ' ' || w, ', ' ORDER BY id) FROM t WHERE id IN (1, 2, 3, 4, 11, 20)")).Should().Be("1 seen, 2 old, 3 again, 4 old, 20 newer");
    }

    [Theory]
    [InlineData(true, "1 old, 2 old, 3 old")]
    [InlineData(false, "1 old")]
    public async Task A_logdel_keeps_truncated_rows_as_deleted_ones_by_a_repair_and_not_by_a_repull(bool isRepaired, string deleted)
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Logdel);
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 1");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("TRUNCATE t; INSERT INTO t SELECT i, 'back' FROM generate_series(4, 10) i");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().ContainSingle();

        if (isRepaired)
            await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        (await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All })).Warnings.Should().BeEmpty();

        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT id, w FROM t WHERE mimeo_source_deleted IS NULL");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || ' ' || w, ', ' ORDER BY id) FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be(deleted);
    }

    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Logdel)]
    public async Task Deletes_are_ignored_by_none_of_the_other_kinds(ReplicationKind kind)
    {
        var creating = () => CreateAsync(kind, s => s with { IgnoreDeletes = true });

        (await creating.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith($"IgnoreDeletes means nothing for {kind}.");
    }

    private async Task<Mimeo> CreateAsync(ReplicationKind kind, Func<ReplicationSpec, ReplicationSpec>? change = null)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(kind, "public.t", s =>
        {
            var spec = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? s with { Cursor = CursorColumn.Serial("id", 0) } : s;
            return change is null ? spec : change(spec);
        });
        return mimeo;
    }
}
