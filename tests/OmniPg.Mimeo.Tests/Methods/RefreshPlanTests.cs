using System.Data;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What a refresh would do, told before it is done.</summary>
public sealed class RefreshPlanTests(PgClusterFixture fixture)
{
    private const string Source = "CREATE TABLE t (id int PRIMARY KEY, ver bigint, w text); INSERT INTO t SELECT i, i, 'old' FROM generate_series(1, 100) i";

    [Theory]
    [InlineData(ReplicationKind.Snapshot, null)]
    [InlineData(ReplicationKind.Table, null)]
    [InlineData(ReplicationKind.Inserter, null)]
    [InlineData(ReplicationKind.Updater, null)]
    [InlineData(ReplicationKind.Dml, null)]
    [InlineData(ReplicationKind.Logdel, null)]
    [InlineData(ReplicationKind.Snapshot, "ALTER TABLE t ADD more int DEFAULT 7")]
    [InlineData(ReplicationKind.Logdel, "ALTER TABLE t ADD more int DEFAULT 7")]
    public async Task The_statements_of_a_plan_bring_what_the_refresh_brings_and_explaining_brings_nothing(ReplicationKind kind, string? change)
    {
        await using var mimeo = await CreateAsync(kind);
        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT i, i, 'new' FROM generate_series(101, 150) i" + (change is null ? "" : "; " + change));
        await mimeo.Databases.AtSourceAsync(kind == ReplicationKind.Inserter ? "SELECT 1" : "UPDATE t SET w = 'upd', ver = ver + 1000 WHERE id % 10 = 3");
        await mimeo.Databases.AtSourceAsync(kind is ReplicationKind.Inserter or ReplicationKind.Updater ? "SELECT 1" : "DELETE FROM t WHERE id % 10 = 4");
        var before = (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t"), await QueuedAsync(mimeo, kind));

        var explained = await mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.t"), new RefreshOptions { SkipUnchanged = kind == ReplicationKind.Snapshot ? false : null }, TestContext.Current.CancellationToken);

        (await TwoDatabases.ContentAsync(mimeo.Databases.Destination, "SELECT * FROM t"), await QueuedAsync(mimeo, kind)).Should().Be(before);
        (explained.Access.IsComplete, explained.Streams).Should().Be((true, 1));
        explained.Plan!.BlocksReads.Should().Be(kind is ReplicationKind.Snapshot or ReplicationKind.Table || change is not null);
        await RunByHandAsync(mimeo, explained.Plan);
        // Rows that nobody has changed since have no value in a column that is added here.
        var some = kind == ReplicationKind.Logdel && change is not null ? "id % 10 = 3 OR id > 100" : "true";
        await mimeo.Databases.ShouldBeEqualAsync(
            $"SELECT * FROM t WHERE {(kind is ReplicationKind.Inserter or ReplicationKind.Updater ? "ver < (SELECT max(ver) FROM t)" : some)}",
            kind == ReplicationKind.Logdel ? $"SELECT id, ver, w{(change is null ? "" : ", more")} FROM t WHERE mimeo_source_deleted IS NULL AND ({some})" : "SELECT * FROM t");
        (await QueuedAsync(mimeo, kind)).Should().Be(0);
        if (kind == ReplicationKind.Logdel)
            (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t WHERE mimeo_source_deleted IS NOT NULL")).Should().Be(15);
    }

    [Theory]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    [InlineData(ReplicationKind.Logical)]
    public async Task So_do_those_of_a_repull(ReplicationKind kind)
    {
        await using var mimeo = await CreateAsync(kind);
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET w = 'by hand'");

        var explained = await mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.t"), new RefreshOptions { Repull = Repull.All }, TestContext.Current.CancellationToken);
        await RunByHandAsync(mimeo, explained.Plan!);

        await mimeo.Databases.ShouldBeEqualAsync(
            "SELECT * FROM t" + (kind is ReplicationKind.Inserter or ReplicationKind.Updater ? " WHERE ver < (SELECT max(ver) FROM t)" : ""), "SELECT id, ver, w FROM t");
    }

    [Fact]
    public async Task A_snapshot_whose_source_had_no_writes_would_read_nothing_and_a_large_one_is_read_in_parts()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Snapshot, o => (o.SplitLargerThanBytes, o.MaxParallelChunks) = (1, 2));
        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT i, i, repeat('x', 100) FROM generate_series(101, 2000) i");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { SkipUnchanged = false });
        await Eventually.TrueAsync(async () =>
        {
            await mimeo.RefreshAsync("public.t");
            return (await ExplainAsync(mimeo)).Plan!.Steps is [{ Kind: "skip", Server: "erp" }];
        }, "the counters of the source stand still", cancellationToken: TestContext.Current.CancellationToken);

        var explained = await mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.t"), new RefreshOptions { SkipUnchanged = false }, TestContext.Current.CancellationToken);

        explained.Streams.Should().Be(2);
        explained.Plan!.Steps.Count(s => s.Kind == "copy").Should().Be(16);
        await RunByHandAsync(mimeo, explained.Plan);
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Fact]
    public async Task A_logical_table_tells_its_slot_which_stays_where_it_is()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Logical);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new'");
        const string place = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()";
        var before = await mimeo.Databases.SourceAsync<string>(place);

        var explained = await ExplainAsync(mimeo);

        explained.Plan!.Steps.Select(s => s.Kind).Should().Equal("log", "stage", "copy", "stage", "apply", "apply", "stage", "place", "slot", "configure");
        (await mimeo.Databases.SourceAsync<string>(place)).Should().Be(before);
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(100);
    }

    [Fact]
    public async Task What_a_refresh_would_refuse_is_refused()
    {
        await using var mimeo = await CreateAsync(ReplicationKind.Dml);
        var unknown = () => mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.none"), cancellationToken: TestContext.Current.CancellationToken);
        await unknown.Should().ThrowAsync<NotManagedException>();
        var senseless = () => mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.t"), new RefreshOptions { KeepReaders = true }, TestContext.Current.CancellationToken);
        await senseless.Should().ThrowAsync<ArgumentException>();

        await mimeo.Databases.AtSourceAsync("ALTER TABLE t ADD more int");
        var drifted = () => ExplainAsync(mimeo);
        (await drifted.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("'more' (integer) is missing at the destination");
    }

    private static Task<ExplainResult> ExplainAsync(Mimeo mimeo) => mimeo.Client.ExplainRefreshAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

    private async Task<Mimeo> CreateAsync(ReplicationKind kind, Action<MimeoOptions>? configure = null)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster, configure);
        await mimeo.Databases.AtSourceAsync(Source);
        await mimeo.CreateAsync(kind, "public.t", s => s with
        {
            Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null,
            Drift = kind == ReplicationKind.Logdel ? DriftPolicy.AddColumns : DriftPolicy.Fail,
        });
        return mimeo;
    }

    private static async Task<long> QueuedAsync(Mimeo mimeo, ReplicationKind kind) =>
        kind is ReplicationKind.Dml or ReplicationKind.Logdel ? await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM omnipg_mimeo.public_t_q") : 0;

    // As the refresh does it: one transaction on each side, of which that of the destination commits first.
    private static async Task RunByHandAsync(Mimeo mimeo, SqlPlan plan)
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var there = await mimeo.Databases.Source.DataSource.OpenConnectionAsync(cancellation);
        await using var here = await mimeo.Databases.Destination.DataSource.OpenConnectionAsync(cancellation);
        await using var reading = await there.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using var writing = await here.BeginTransactionAsync(cancellation);
        var read = "";
        foreach (var step in plan.Steps)
        {
            var isThere = step.Server == "erp";
            if (step.Kind == "copy" && isThere)
            {
                read = step.Description!;
            }
            else if (step.Kind == "copy")
            {
                await using var from = await there.BeginRawBinaryCopyAsync(read, cancellation);
                await using var to = await here.BeginRawBinaryCopyAsync(step.Description!, cancellation);
                await from.CopyToAsync(to, cancellation);
            }
            // What a script must not do: later entries would go with those whose rows have come.
            else if ((step.Kind == "forget" ? step.Description : step.Sql) is { } sql)
            {
                await using var command = new NpgsqlCommand(sql, isThere ? there : here);
                await command.ExecuteNonQueryAsync(cancellation);
            }
        }
        await writing.CommitAsync(cancellation);
        await reading.CommitAsync(cancellation);
    }
}
