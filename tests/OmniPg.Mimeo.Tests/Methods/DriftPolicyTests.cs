using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Columns that the source has and the destination has not.</summary>
public sealed class DriftPolicyTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_column_that_is_new_at_the_source_is_added_here_and_its_values_come_from_then_on(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync(kind, DriftPolicy.AddColumns);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more numeric(8,2), ADD \"odd \"\"one\" text; INSERT INTO t VALUES (11, 11, 'new', 1.5, 'x'), (12, 12, 'new', 2.5, 'y'), (99, 99, 'last', NULL, NULL)");

        var refreshed = await mimeo.RefreshAsync("public.t");

        refreshed.Warnings.Should().ContainSingle().Which.Should().StartWith("Column 'more', 'odd \"one' was added to 'public.t'");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t WHERE ver < 99", "SELECT id, ver, w, more, \"odd \"\"one\" FROM t WHERE ver < 99");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (100, 100, 'more', 3.5, 'z'), (101, 101, 'last', NULL, NULL)");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t WHERE ver < 101", "SELECT id, ver, w, more, \"odd \"\"one\" FROM t WHERE ver < 101");
        (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!.Drift.Should().Be(DriftPolicy.AddColumns);
    }

    [Theory]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task A_column_that_is_new_at_the_source_is_left_out_where_that_is_wanted(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync(kind, DriftPolicy.Ignore);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more text DEFAULT 'x'; INSERT INTO t VALUES (11, 11, 'new'), (99, 99, 'last'); UPDATE t SET w = 'changed', ver = 12 WHERE id = 3");

        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();

        await mimeo.Databases.ShouldBeEqualAsync("SELECT id, ver, w FROM t WHERE ver < 99", "SELECT id, ver, w FROM t WHERE ver < 99");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'more'")).Should().Be(0);
        (await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken)).HasDrift.Should().BeFalse();
        (await mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
        // What differs otherwise is refused as ever, and so is a column that cannot be left out.
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ALTER w TYPE varchar");
        var refreshing = () => mimeo.RefreshAsync("public.t");
        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("'w' is text at the source and character varying at the destination");
    }

    [Fact]
    public async Task A_row_that_is_deleted_keeps_the_value_of_a_column_that_was_added_to_a_logdel()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Logdel, DriftPolicy.AddColumns);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more text; INSERT INTO t VALUES (11, 11, 'new', 'kept')");
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 11");
        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT more FROM t WHERE id = 11 AND mimeo_source_deleted IS NOT NULL")).Should().Be("kept");
    }

    [Fact]
    public async Task The_statements_of_a_drift_let_a_deleted_row_keep_the_value_of_a_new_column()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Logdel, DriftPolicy.Fail);
        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more text; INSERT INTO t VALUES (11, 11, 'new', 'kept')");
        var refreshing = () => mimeo.RefreshAsync("public.t");
        await refreshing.Should().ThrowAsync<ColumnDriftException>();
        var drift = await mimeo.Client.FindDriftAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken);
        await mimeo.Databases.AtDestinationAsync(string.Join('\n', drift.Columns.Select(c => c.Statement)));
        await mimeo.Databases.AtSourceAsync(string.Join('\n', drift.SourceStatements));
        await mimeo.RefreshAsync("public.t");
        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id = 11");
        await mimeo.RefreshAsync("public.t");

        (await mimeo.Databases.DestinationAsync<string>("SELECT more FROM t WHERE id = 11 AND mimeo_source_deleted IS NOT NULL")).Should().Be("kept");
    }

    [Fact]
    public async Task A_column_whose_type_is_unknown_here_or_whose_table_is_locked_changes_nothing()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Dml, DriftPolicy.AddColumns, o => o.LockTimeout = TimeSpan.FromMilliseconds(200));
        await mimeo.Databases.AtSourceAsync("CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE t ADD more mood; INSERT INTO t VALUES (11, 11, 'new', 'ok')");
        var refreshing = () => mimeo.RefreshAsync("public.t");

        (await refreshing.Should().ThrowAsync<ColumnDriftException>()).Which.Message.Should().Be(
            "Columns of 'public.t' do not fit: 'more' (public.mood) is missing at the destination and cannot be added: type \"public.mood\" does not exist. Hint: Make the type at the destination.");
        await mimeo.Databases.AtDestinationAsync("CREATE TYPE mood AS ENUM ('ok')");
        await using (await QueueTests.HoldAsync(mimeo.Databases.Destination, "BEGIN; SELECT count(*) FROM t"))
            await refreshing.Should().ThrowAsync<MimeoLockException>();
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(10);
        (await refreshing()).Rows.Should().Be(1);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Fact]
    public async Task A_policy_is_changed_read_from_texts_and_refused_for_a_snapshot()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Dml, DriftPolicy.Fail);
        var spec = (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!;
        (await mimeo.Client.UpdateAsync(spec with { Drift = DriftPolicy.Ignore }, TestContext.Current.CancellationToken)).Drift.Should().Be(DriftPolicy.Ignore);
        (await mimeo.Client.PlanTablesAsync([spec with { Drift = DriftPolicy.AddColumns }], TestContext.Current.CancellationToken)).Single().Changed.Should().Equal("Drift");
        (await mimeo.Client.UpdateAsync(spec, TestContext.Current.CancellationToken)).Drift.Should().Be(DriftPolicy.Fail);
        ReplicationSpec.Parse(spec.Target, [new("Kind", "dml"), new("From", "erp"), new("drift", "addColumns")]).Drift.Should().Be(DriftPolicy.AddColumns);

        var senseless = () => mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t", s => s with { Destination = QualifiedName.Parse("public.s"), Drift = DriftPolicy.Ignore });
        (await senseless.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith("Drift means nothing for Snapshot");
        await mimeo.DropAsync("public.t");
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM omnipg_mimeo.table_option")).Should().Be(0);
    }

    private async Task<Mimeo> CreateAsync(ReplicationKind kind, DriftPolicy drift, Action<MimeoOptions>? configure = null)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster, configure);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'old' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Drift = drift, Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null });
        return mimeo;
    }
}
