using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Columns for which an expression stands at the source, and deletes that are left alone.</summary>
public sealed class ExpressionTests(PgClusterFixture fixture)
{
    private static readonly Dictionary<string, string> Masked = new() { ["email"] = "md5(email) -- masked", ["n"] = "n * 2" };

    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    public async Task A_value_comes_as_its_expression_says_and_is_compared_by_it(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, email varchar(100), n int, ver bigint); INSERT INTO t SELECT i, 'm' || i, i, i FROM generate_series(1, 1000) i; CREATE TABLE kinds (n int); INSERT INTO kinds VALUES (1)");
        const string Expected = "SELECT id, md5(email)::varchar(100) AS email, n * 2 AS n, ver FROM t WHERE id <> 5";

        var created = await mimeo.CreateAsync(kind, "public.t", s => s with { Expressions = Masked, Condition = "WHERE id <> 5", Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null });
        created.Spec.Expressions.Should().BeEquivalentTo(Masked);
        await mimeo.Databases.AtSourceAsync($"INSERT INTO t SELECT i, 'm' || i, i, i FROM generate_series(1001, 1100) i; INSERT INTO t VALUES (2000, NULL, NULL, 2000){(kind is ReplicationKind.Updater or ReplicationKind.Dml ? "; UPDATE t SET email = 'other', ver = ver + 1200 WHERE id = 7" : "")}");
        await mimeo.RefreshAsync("public.t", kind == ReplicationKind.Snapshot ? new RefreshOptions { SkipUnchanged = false } : null);

        await mimeo.Databases.ShouldBeEqualAsync(Expected + (kind is ReplicationKind.Inserter or ReplicationKind.Updater ? " AND ver < 2000" : ""), "SELECT * FROM t");
        (await mimeo.Client.ValidateAsync(created.Spec.Target, new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
        if (kind is not (ReplicationKind.Updater or ReplicationKind.Dml))
            return;
        await mimeo.Databases.AtDestinationAsync("UPDATE t SET email = 'm9' WHERE id = 9");
        (await mimeo.Client.RepairAsync(created.Spec.Target, cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Equal(new RowDifference("(9)", RowDifferenceKind.OtherValues));
        (await mimeo.Databases.DestinationAsync<string>("SELECT email FROM t WHERE id = 9")).Should().Be(await mimeo.Databases.SourceAsync<string>("SELECT md5(email) FROM t WHERE id = 9"));
    }

    [Fact]
    public async Task A_column_that_no_expression_reads_needs_no_right_and_one_that_only_an_expression_reads_counts_as_a_change()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, secret text, town text, zip text); INSERT INTO t SELECT i, 's' || i, 't' || i, 'z' || i FROM generate_series(1, 100) i; CREATE ROLE {role} LOGIN; GRANT SELECT (id, town), TRIGGER ON t TO {role}; CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role}");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);
        var spec = new ReplicationSpec { Kind = ReplicationKind.Dml, From = "erp", Source = QualifiedName.Parse("public.t"), Columns = ["id", "secret", "town"], Expressions = new Dictionary<string, string> { ["secret"] = "'hidden'", ["town"] = "left(zip, 2) || town" } };

        (await mimeo.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken)).SourceStatements.Should().Equal($"GRANT SELECT (zip) ON public.t TO {role};");
        await mimeo.Databases.AtSourceAsync($"GRANT SELECT (zip) ON t TO {role}");
        await mimeo.Client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken);
        await mimeo.Databases.AtSourceAsync("UPDATE t SET zip = 'new' WHERE id = 3");

        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(concat_ws(' ', id, secret, town), ', ' ORDER BY id) FROM t WHERE id < 4")).Should().Be("1 hidden z1t1, 2 hidden z2t2, 3 hidden net3");
    }

    [Fact]
    public async Task An_expression_that_cannot_stand_there_is_refused_and_nothing_is_made()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, n int, ver bigint); INSERT INTO t VALUES (1, 'x', 1, 1)");

        foreach (var (kind, column, sql) in ((ReplicationKind, string, string)[])[(ReplicationKind.Logdel, "w", "'x'"), (ReplicationKind.Logical, "w", "'x'"), (ReplicationKind.Updater, "ver", "1"), (ReplicationKind.Table, "w", " ")])
            await Refused(kind, column, sql).Should().ThrowAsync<ArgumentException>();
        (await Refused(ReplicationKind.Table, "none", "1").Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("'none', for which an expression stands, is not copied");
        foreach (var sql in (string[])["nothing", "1) FROM t; DROP TABLE t; -- nonsense", "count(*)", "'(1,2)'::point"])
        {
            (await Refused(ReplicationKind.Table, "n", sql).Should().ThrowAsync<InvalidConditionException>()).Which.Message.Should().StartWith($"The expression '{sql}' makes no query at the source: ");
        }
        (await Refused(ReplicationKind.Dml, "id", "id + 1").Should().ThrowAsync<NoReplicationKeyException>()).Which.Message.Should().Contain("'id'");
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('t') IS NULL")).Should().BeTrue();
        (await mimeo.Databases.SourceAsync<bool>("SELECT to_regclass('t') IS NOT NULL AND to_regclass('omnipg_mimeo.public_t_q') IS NULL")).Should().BeTrue();

        Func<Task> Refused(ReplicationKind kind, string column, string sql) => () => mimeo.CreateAsync(
            kind, "public.t", s => s with { Expressions = new Dictionary<string, string> { [column] = sql }, Cursor = kind == ReplicationKind.Updater ? CursorColumn.Serial("ver", 0) : null });
    }

    [Fact]
    public async Task Expressions_are_declared_by_column_and_fixed_where_the_rows_that_are_here_come_from_them()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, email text, n int); INSERT INTO t VALUES (1, 'm', 1)");
        var destination = QualifiedName.Parse("public.t");
        ReplicationSpec Parsed(string kind, string email) => ReplicationSpec.Parse(destination, [new("kind", kind), new("from", "erp"), new("expressions:email", email), new("expressions:n", "n + 1")]);
        var wanted = Parsed("dml", "md5(email)");
        wanted.Expressions.Should().BeEquivalentTo(new Dictionary<string, string> { ["email"] = "md5(email)", ["n"] = "n + 1" });
        await mimeo.Client.ApplyTablesAsync([wanted], cancellationToken: TestContext.Current.CancellationToken);

        (await mimeo.Client.PlanTablesAsync([wanted], TestContext.Current.CancellationToken)).Single().Outcome.Should().Be(DeclaredFate.Unchanged);
        (await mimeo.Client.PlanTablesAsync([wanted with { IgnoreDeletes = true }], TestContext.Current.CancellationToken)).Single().Changed.Should().Equal("IgnoreDeletes");
        var other = () => mimeo.Client.PlanTablesAsync([Parsed("dml", "email")], TestContext.Current.CancellationToken);
        (await other.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().Contain("is managed with another Expressions");
        await mimeo.DropAsync("public.t", keepTable: false);
        await mimeo.Client.ApplyTablesAsync([Parsed("snapshot", "md5(email)")], cancellationToken: TestContext.Current.CancellationToken);
        (await mimeo.Client.ApplyTablesAsync([Parsed("snapshot", "upper(email)")], cancellationToken: TestContext.Current.CancellationToken)).Single().Changed.Should().Equal("Expressions");
        await mimeo.RefreshAsync("public.t");
        (await mimeo.Databases.DestinationAsync<string>("SELECT email FROM t")).Should().Be("M");
    }

    [Theory]
    [InlineData(ReplicationKind.Dml, false)]
    [InlineData(ReplicationKind.Dml, true)]
    [InlineData(ReplicationKind.Logical, false)]
    public async Task Rows_that_the_source_deletes_stay_where_that_is_wanted_and_all_else_comes(ReplicationKind kind, bool isReplaced)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t SELECT i, 'old' FROM generate_series(1, 10) i");
        await mimeo.CreateAsync(kind, "public.t", s => s with { IgnoreDeletes = true });
        // Without an index of the key rows are deleted and inserted.
        if (isReplaced)
            await mimeo.Databases.AtDestinationAsync("ALTER TABLE t DROP CONSTRAINT t_id_pk");

        await mimeo.Databases.AtSourceAsync("DELETE FROM t WHERE id < 3; UPDATE t SET w = 'new' WHERE id = 4; INSERT INTO t VALUES (11, 'new')");
        await mimeo.RefreshAsync("public.t");
        (await RowsAsync()).Should().Be("1 old, 2 old, 4 new, 11 new");
        (await mimeo.Client.CompareAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
        var validating = () => mimeo.Client.ValidateAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);
        await validating.Should().ThrowAsync<ArgumentException>();

        await mimeo.Databases.AtSourceAsync("INSERT INTO t VALUES (1, 'again'); TRUNCATE t; INSERT INTO t VALUES (12, 'new')");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = kind == ReplicationKind.Dml ? Repull.All : null });
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'last'");
        await mimeo.RefreshAsync("public.t");
        (await RowsAsync()).Should().Be("1 old, 2 old, 4 new, 11 new, 12 last");
        await mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = Repull.All });
        (await RowsAsync()).Should().Be("1 old, 2 old, 4 new, 11 new, 12 last");

        Task<string> RowsAsync() => mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id || ' ' || w, ', ' ORDER BY id) FROM t WHERE id < 3 OR w <> 'old'");
    }
}
