using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Rows of other tables of the destination that go with rows of a managed one.</summary>
public sealed class FollowersTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Rows_that_refer_to_a_changed_row_stay_unless_two_rows_exchange_a_unique_value_which_is_told()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, code text, w text); INSERT INTO t SELECT i, 'c' || i, 'old' FROM generate_series(1, 10) i");
        await mimeo.Databases.AtDestinationAsync(
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, w text); INSERT INTO t SELECT i, 'c' || i, 'old' FROM generate_series(1, 10) i; CREATE TABLE referring (id int CONSTRAINT follows REFERENCES t ON DELETE CASCADE); INSERT INTO referring VALUES (1), (2), (3)");

        (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Warnings.Should().BeEmpty();
        // A unique value may go from a row that goes to one that comes.
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id < 3; DELETE FROM t WHERE id = 10; INSERT INTO t VALUES (11, 'c10', 'new')");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        (await ReferringAsync()).Should().Be("1 2 3");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");

        await mimeo.Databases.AtSourceAsync("UPDATE t SET code = CASE id WHEN 1 THEN 'c2' ELSE 'c1' END WHERE id < 3");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().ContainSingle().Which.Should().Contain("for two of them have exchanged the values of a further unique index, and foreign key follows of public.referring deletes or changes rows");
        (await ReferringAsync()).Should().Be("3");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");

        await mimeo.Databases.AtDestinationAsync("ALTER TABLE referring DROP CONSTRAINT follows, ADD CONSTRAINT waits FOREIGN KEY (id) REFERENCES t DEFERRABLE INITIALLY DEFERRED; INSERT INTO referring VALUES (1)");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET code = CASE id WHEN 1 THEN 'c1' ELSE 'c2' END WHERE id < 3");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        (await ReferringAsync()).Should().Be("1 3");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");

        // A value that a row has here which the source has not is told, and nothing is changed.
        await mimeo.Databases.AtDestinationAsync("INSERT INTO t VALUES (99, 'taken', 'own')");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET code = 'taken' WHERE id = 5");
        var refused = () => mimeo.RefreshAsync("public.t");
        (await refused.Should().ThrowAsync<MimeoServerException>()).Which.SqlState.Should().Be("23505");

        Task<string> ReferringAsync() => mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id::text, ' ' ORDER BY id) FROM referring");
    }

    [Fact]
    public async Task Rows_that_go_with_a_replaced_row_are_told_at_the_set_up_and_at_every_refresh_that_replaces_one()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, n int, w text); INSERT INTO t SELECT i, i, 'old' FROM generate_series(1, 10) i");
        await mimeo.Databases.AtDestinationAsync(
            "CREATE TABLE t (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, w text); INSERT INTO t OVERRIDING SYSTEM VALUE SELECT i, i, 'old' FROM generate_series(1, 10) i; CREATE TABLE referring (id int CONSTRAINT follows REFERENCES t ON DELETE CASCADE); INSERT INTO referring VALUES (1), (2)");

        var created = await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        created.Warnings.Should().ContainSingle().Which.Should().Contain("or an identity column, and foreign key follows of public.referring deletes or changes rows of another table with them");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new' WHERE id = 1");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().Equal(created.Warnings);
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id::text, ' ' ORDER BY id) FROM referring")).Should().Be("2");
        await mimeo.Databases.ShouldBeEqualAsync("SELECT * FROM t", "SELECT * FROM t");
    }

    [Fact]
    public async Task Rows_that_go_with_a_row_that_a_repair_deletes_are_told()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'x')");
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        await mimeo.Databases.AtDestinationAsync("INSERT INTO t VALUES (2, 'extra'); CREATE TABLE referring (id int CONSTRAINT follows REFERENCES t ON DELETE CASCADE); INSERT INTO referring VALUES (1), (2)");

        var repaired = await mimeo.Client.RepairAsync(QualifiedName.Parse("public.t"), cancellationToken: TestContext.Current.CancellationToken);

        repaired.Warnings.Should().Equal("Rows of 'public.t' that its source does not have were deleted, and foreign key follows of public.referring deletes or changes rows of another table with them.");
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(id::text, ' ') FROM referring")).Should().Be("1");
    }

    [Theory]
    [InlineData(ReplicationKind.Inserter)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Logdel)]
    public async Task A_repull_that_deletes_takes_no_rows_of_other_tables(ReplicationKind kind)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(kind, "public.t", s => s with { Cursor = kind == ReplicationKind.Logdel ? null : CursorColumn.Serial("col1", 0) });
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE referring (col1 int CONSTRAINT follows REFERENCES t ON DELETE CASCADE); INSERT INTO referring VALUES (5)");

        var repulling = () => mimeo.RefreshAsync("public.t", new RefreshOptions { Repull = kind == ReplicationKind.Logdel ? Repull.All : Repull.Between("1", "10") });

        var error = (await repulling.Should().ThrowAsync<DependentObjectsException>()).Which;
        error.Message.Should().Contain("foreign key follows of public.referring");
        error.Hint.Should().Be("Make the key NO ACTION DEFERRABLE INITIALLY DEFERRED.");
        (await mimeo.Databases.DestinationAsync<string>("SELECT (SELECT count(*) FROM referring) || ' ' || (SELECT count(*) FROM t)")).Should().Be(kind == ReplicationKind.Logdel ? "1 10000" : "1 9999");
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE referring DROP CONSTRAINT follows, ADD FOREIGN KEY (col1) REFERENCES t DEFERRABLE INITIALLY DEFERRED");
        (await repulling()).Rows.Should().Be(kind == ReplicationKind.Logdel ? 10000 : 8);
    }

    [Fact]
    public async Task Tables_that_a_cascade_empties_are_told_by_name_once_they_had_rows()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { TruncateCascade = true });
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t", s => s with { Destination = QualifiedName.Parse("public.strict") });
        await mimeo.Databases.AtDestinationAsync(
            "CREATE TABLE one (id int PRIMARY KEY, col1 int REFERENCES t); CREATE TABLE two (id int REFERENCES one); CREATE TABLE empty (col1 int REFERENCES t); CREATE TABLE other (col1 int REFERENCES strict); INSERT INTO one VALUES (1, 5); INSERT INTO two VALUES (1); INSERT INTO other VALUES (5)");

        var result = await mimeo.RefreshAsync("public.t");

        result.Warnings.Should().Equal("TruncateCascade of 'public.t' has emptied as well: public.one, public.two.");
        (await mimeo.Databases.DestinationAsync<string>("SELECT concat_ws(' ', (SELECT count(*) FROM t), (SELECT count(*) FROM one), (SELECT count(*) FROM two))")).Should().Be("10000 0 0");
        (await mimeo.RefreshAsync("public.t")).Warnings.Should().BeEmpty();
        var strict = () => mimeo.RefreshAsync("public.strict");
        (await strict.Should().ThrowAsync<MimeoServerException>()).Which.Message.Should().Contain("cannot truncate a table referenced in a foreign key constraint");
        (await mimeo.Databases.DestinationAsync<string>("SELECT concat_ws(' ', (SELECT count(*) FROM strict), (SELECT count(*) FROM other))")).Should().Be("10000 1");
    }
}
