using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Rows of transactions that are open for longer than the boundary.</summary>
public sealed class OpenTransactionTests(PgClusterFixture fixture)
{
    [Theory]
    [InlineData(BoundaryMode.Fixed, false)]
    [InlineData(BoundaryMode.OldestTransaction, false)]
    [InlineData(BoundaryMode.OldestTransaction, true)]
    public async Task What_an_old_transaction_commits_late_comes_only_where_the_refresh_stays_behind_it(BoundaryMode mode, bool isPrepared)
    {
        await using var mimeo = await CreateAsync(mode, "0");
        await using var late = await mimeo.Databases.Source.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await RunAsync(late, "BEGIN; " + Insert("late", 11));
        if (isPrepared)
            await RunAsync(late, "PREPARE TRANSACTION 'mimeo_late'");
        await mimeo.Databases.AtSourceAsync(Insert("soon", 21));

        var between = await mimeo.RefreshAsync("public.t");
        await RunAsync(late, isPrepared ? "COMMIT PREPARED 'mimeo_late'" : "COMMIT");
        await mimeo.RefreshAsync("public.t");

        between.Warnings.Should().BeEmpty();
        between.Rows.Should().Be(mode == BoundaryMode.Fixed ? 10 : 0);
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(w || ' ' || n, ', ' ORDER BY w) FROM (SELECT w, count(*) AS n FROM t GROUP BY w) c"))
            .Should().Be(mode == BoundaryMode.Fixed ? "old 10, soon 10" : "late 10, old 10, soon 10");
        (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!.Cursor!.Mode.Should().Be(mode);
    }

    [Fact]
    public async Task A_column_that_keeps_whole_seconds_misses_nothing_of_the_second_in_which_a_transaction_began()
    {
        await using var mimeo = await CreateAsync(BoundaryMode.OldestTransaction, "0", "timestamptz(0)");
        await using var late = await mimeo.Databases.Source.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await RunAsync(late, "BEGIN; INSERT INTO t VALUES (11, date_trunc('second', now()), 'late')");
        await mimeo.Databases.AtSourceAsync("INSERT INTO t SELECT 21, date_trunc('second', xact_start), 'soon' FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'");

        await mimeo.RefreshAsync("public.t");
        await RunAsync(late, "COMMIT");

        await Eventually.TrueAsync(
            async () =>
            {
                await mimeo.RefreshAsync("public.t");
                return await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(w, ' ' ORDER BY id) FROM t WHERE w <> 'old'") == "late soon";
            },
            "both rows are there", TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_session_that_does_not_tell_when_it_began_is_no_session_without_a_transaction()
    {
        await using var mimeo = await CreateAsync(BoundaryMode.OldestTransaction, "0");
        await using var late = await mimeo.Databases.Source.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await RunAsync(late, "SET track_activities = off");

        var refreshed = await mimeo.RefreshAsync("public.t");

        refreshed.Warnings.Should().Equal("The boundary alone counts, for sessions at source 'erp' tell nothing of themselves (track_activities = off).");
    }

    [Fact]
    public async Task A_role_that_may_not_see_them_is_told_what_it_lacks_and_the_boundary_counts()
    {
        await using var mimeo = await CreateAsync(BoundaryMode.OldestTransaction, "0");
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE ROLE {role} LOGIN; GRANT SELECT ON t TO {role}; {Insert("soon", 21)}");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);

        var refreshed = await mimeo.RefreshAsync("public.t");

        (refreshed.Rows, refreshed.Warnings.Single()).Should().Be((10, $"The boundary alone counts, for the role may not see the transactions of others at source 'erp' (GRANT pg_read_all_stats TO {role};)."));
        await mimeo.Databases.AtSourceAsync($"GRANT pg_read_all_stats TO {role}");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
    }

    [Fact]
    public async Task A_mode_is_changed_read_from_texts_and_refused_for_numbers()
    {
        await using var mimeo = await CreateAsync(BoundaryMode.Fixed, "0");
        var spec = (await mimeo.Client.FindAsync(QualifiedName.Parse("public.t"), TestContext.Current.CancellationToken))!;
        var other = spec with { Cursor = spec.Cursor! with { Mode = BoundaryMode.OldestTransaction } };

        (await mimeo.Client.PlanTablesAsync([other], TestContext.Current.CancellationToken)).Single().Changed.Should().Equal("Mode");
        (await mimeo.Client.UpdateAsync(other, TestContext.Current.CancellationToken)).Should().BeEquivalentTo(other);
        ReplicationSpec.Parse(spec.Target, [new("Kind", "inserter"), new("From", "erp"), new("cursor:time", "at"), new("cursor:mode", "oldesttransaction")]).Cursor.Should().Be(CursorColumn.Time("at") with { Mode = BoundaryMode.OldestTransaction });
        var parsing = () => ReplicationSpec.Parse(spec.Target, [new("Kind", "inserter"), new("From", "erp"), new("cursor:serial", "id"), new("cursor:mode", "oldesttransaction")]);
        parsing.Should().Throw<FormatException>().WithMessage("'Cursor' cannot be read: Mode is for a column of times.");
        var creating = () => mimeo.CreateAsync(ReplicationKind.Inserter, "public.t", s => s with { Destination = QualifiedName.Parse("public.n"), Cursor = CursorColumn.Serial("id") with { Mode = BoundaryMode.OldestTransaction } });
        await creating.Should().ThrowAsync<ArgumentException>();
    }

    [Fact]
    public async Task Tables_of_the_extension_cannot_hold_it_and_what_they_hold_already_keeps_nothing_else_from_being_changed()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        Assert.SkipUnless(await databases.DestinationAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'mimeo')"), "The extension mimeo is not installed.");
        await databases.AtSourceAsync("CREATE TABLE t (id int, at timestamptz)");
        await databases.AtDestinationAsync("CREATE SCHEMA dblink; CREATE EXTENSION dblink SCHEMA dblink; CREATE SCHEMA ext; CREATE EXTENSION mimeo SCHEMA ext");
        var client = new MimeoClient(databases.Destination.DataSource);
        await client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await client.AddSourceAsync("erp", databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        var spec = new ReplicationSpec { Kind = ReplicationKind.Inserter, From = "erp", Source = QualifiedName.Parse("public.t"), Cursor = CursorColumn.Time("at") };
        var wanted = spec with { Cursor = spec.Cursor with { Mode = BoundaryMode.OldestTransaction } };

        var creating = () => client.CreateAsync(wanted, cancellationToken: TestContext.Current.CancellationToken);
        (await creating.Should().ThrowAsync<ReplicationConflictException>()).Which.Sentence.Should().Be(
            "Destination 'public.t' would stand in tables of the extension, whose own refresh passes over rows of transactions that are open for longer than the boundary (OldestTransaction).");
        var made = (await client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken)).Spec;
        var updating = () => client.UpdateAsync(made with { Cursor = wanted.Cursor }, TestContext.Current.CancellationToken);
        await updating.Should().ThrowAsync<ReplicationConflictException>();
        // As an older version stored it.
        await databases.AtDestinationAsync("INSERT INTO omnipg_mimeo.table_option (dest_table, drift, boundary_mode) VALUES ('public.t', 'Fail', 'OldestTransaction') ON CONFLICT (dest_table) DO UPDATE SET boundary_mode = excluded.boundary_mode");
        var stored = (await client.FindAsync(spec.Target, TestContext.Current.CancellationToken))!;

        (await client.UpdateAsync(stored with { BatchLimit = 7 }, TestContext.Current.CancellationToken)).BatchLimit.Should().Be(7);

        await client.ImportFromExtensionAsync(TestContext.Current.CancellationToken);
        var exporting = () => client.ExportToExtensionAsync(TestContext.Current.CancellationToken);
        (await exporting.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("'public.t' would be refreshed by the extension, which passes over rows of transactions");
    }

    private async Task<Mimeo> CreateAsync(BoundaryMode mode, PgInterval boundary, string type = "timestamptz")
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int, at {type}, w text); INSERT INTO t SELECT i, now() - interval '2 hours', 'old' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(ReplicationKind.Inserter, "public.t", s => s with { Cursor = CursorColumn.Time("at", boundary) with { Mode = mode } });
        return mimeo;
    }

    private static string Insert(string w, int first) => $"INSERT INTO t SELECT i, now(), '{w}' FROM generate_series({first}, {first + 9}) i";

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }
}
