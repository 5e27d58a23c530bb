using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Whose the table of older images is: what stands in its place is never taken over, dropped or written, and it belongs to the owner of its table.</summary>
public sealed class HistoryOwnerTests(PgClusterFixture fixture)
{
    private const string Made = "SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass)";

    [Theory]
    [InlineData("CREATE TABLE t_deleted (id int, w text, mimeo_source_deleted timestamptz)", "Rename it, or leave KeepHistory out. Where it does hold them: COMMENT ON TABLE \"public\".\"t_deleted\" IS 'History of OmniPg.Mimeo: ")]
    [InlineData("CREATE TABLE t_deleted (id int, w text, mimeo_source_deleted timestamptz); COMMENT ON TABLE t_deleted IS 'OmniPg.Mimeo: 1 1 omnipg_mimeo public.t'", "Rename it, or leave KeepHistory out. Where it does hold them: COMMENT ON TABLE ")]
    [InlineData("CREATE TABLE base (id int, w text, mimeo_source_deleted timestamptz); CREATE VIEW t_deleted AS SELECT * FROM base", "Rename it, or leave KeepHistory out.")]
    public async Task What_was_not_made_as_the_history_is_refused_before_anything_is_made(string there, string hint)
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtDestinationAsync($"{there}; INSERT INTO t_deleted VALUES (1, 'own', now())");

        var creating = () => mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", Kept);
        var explaining = () => mimeo.Client.ExplainAsync(Spec with { KeepHistory = true }, cancellationToken: TestContext.Current.CancellationToken);

        foreach (var error in (DestinationExistsException[])[(await creating.Should().ThrowAsync<DestinationExistsException>()).Which, (await explaining.Should().ThrowAsync<DestinationExistsException>()).Which])
        {
            error.Message.Should().StartWith("Relation 'public.t_deleted' exists where older images of deleted rows of 'public.t' have to stand, and was not made for them.");
            error.Hint.Should().StartWith(hint);
        }
        (await mimeo.Databases.SourceAsync<long>(Made)).Should().Be(0);
        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('public.t') IS NULL")).Should().BeTrue();
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t");
        var updating = () => mimeo.Client.UpdateAsync(Spec with { KeepHistory = true, Key = ["id"] }, TestContext.Current.CancellationToken);
        await updating.Should().ThrowAsync<DestinationExistsException>();
        (await mimeo.Client.FindAsync(Spec.Target, TestContext.Current.CancellationToken))!.KeepHistory.Should().BeFalse();
        (await mimeo.DropAsync("public.t", keepTable: false)).Dropped.Should().Equal(QualifiedName.Parse("public.t"));
        (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t_deleted")).Should().Be("own");
    }

    [Fact]
    public async Task A_table_that_is_managed_becomes_no_history()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("CREATE TABLE u (id int PRIMARY KEY, w text); INSERT INTO u VALUES (1, 'other')");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.u", s => s with { Destination = QualifiedName.Parse("public.t_deleted") });

        var creating = () => mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", Kept);

        (await creating.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("'public.t_deleted' is managed, and older images of deleted rows of 'public.t' would have to stand there.");
        (await mimeo.Databases.SourceAsync<long>(Made)).Should().Be(0);
        await mimeo.RefreshAsync("public.t_deleted");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_history_of_a_table_is_no_destination_of_another_one(bool hasEnded)
    {
        await using var mimeo = await CreateAsync();
        await mimeo.Databases.AtSourceAsync("CREATE TABLE u (id int PRIMARY KEY, w text)");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", Kept);
        if (hasEnded)
            await mimeo.DropAsync("public.t");

        foreach (var kind in (ReplicationKind[])[ReplicationKind.Table, ReplicationKind.Logdel])
        {
            var creating = () => mimeo.CreateAsync(kind, "public.u", s => s with { Destination = QualifiedName.Parse("public.t_deleted") });
            (await creating.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("'public.t_deleted' holds the older images of deleted rows of 'public.t', which stand nowhere else.");
        }
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'u'::regclass")).Should().Be(0);
    }

    [Theory]
    [InlineData(true, "public.t public.t_deleted")]
    [InlineData(false, "public.t_deleted")]
    public async Task The_history_goes_where_the_option_or_its_table_went_before(bool isThere, string dropped)
    {
        await using var mimeo = await CreateAsync();
        var made = (await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", Kept)).Spec;
        if (isThere)
            await mimeo.Client.UpdateAsync(made with { KeepHistory = false }, TestContext.Current.CancellationToken);
        else
            await mimeo.Databases.AtDestinationAsync("DROP TABLE t");

        string.Join(' ', (await mimeo.DropAsync("public.t", keepTable: false)).Dropped).Should().Be(dropped);

        (await mimeo.Databases.DestinationAsync<bool>("SELECT to_regclass('t_deleted') IS NULL AND to_regclass('t') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task A_table_of_a_former_destination_that_was_put_in_its_place_stays()
    {
        await using var mimeo = await CreateAsync();
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", Kept);
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t_deleted RENAME TO kept; CREATE TABLE t_deleted AS TABLE kept; INSERT INTO t_deleted VALUES (1, 'own', now())");

        (await mimeo.DropAsync("public.t", keepTable: false)).Dropped.Should().Equal(QualifiedName.Parse("public.t"));

        (await mimeo.Databases.DestinationAsync<string>("SELECT w FROM t_deleted")).Should().Be("own");
    }

    [Fact]
    public async Task An_option_changes_where_the_destination_has_a_column_of_its_own()
    {
        await using var mimeo = await CreateAsync();
        var made = (await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t", Kept)).Spec;
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t ADD own int");

        (await mimeo.Client.UpdateAsync(made with { Period = TimeSpan.FromMinutes(7) }, TestContext.Current.CancellationToken)).Period.Should().Be((PgInterval)TimeSpan.FromMinutes(7));

        await mimeo.Client.UpdateAsync(made with { KeepHistory = false }, TestContext.Current.CancellationToken);
        (await mimeo.Client.UpdateAsync(made, TestContext.Current.CancellationToken)).KeepHistory.Should().BeTrue();
        await mimeo.Client.UpdateAsync(made with { KeepHistory = false }, TestContext.Current.CancellationToken);
        await mimeo.Databases.AtDestinationAsync("ALTER TABLE t_deleted DROP w");
        var again = () => mimeo.Client.UpdateAsync(made, TestContext.Current.CancellationToken);
        (await again.Should().ThrowAsync<ColumnDriftException>()).Which.Differences.Should().Equal("'w' (text) is missing in 'public.t_deleted'");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_history_of_a_table_that_is_there_belongs_to_its_owner_and_what_that_needs_is_told(bool isUpdate)
    {
        await using var mimeo = await CreateAsync();
        var (owner, role) = ($"owner_{Guid.NewGuid():N}", $"keeper_{Guid.NewGuid():N}");
        await mimeo.Databases.AtDestinationAsync($"CREATE ROLE {owner}; CREATE ROLE {role} LOGIN; GRANT CREATE ON SCHEMA public TO {role}");
        await mimeo.CreateAsync(ReplicationKind.Logdel, "public.t");
        await mimeo.Databases.AtDestinationAsync($"ALTER TABLE t OWNER TO {owner}");
        if (!isUpdate)
            await mimeo.DropAsync("public.t");
        await mimeo.Databases.AtDestinationAsync($"GRANT USAGE ON SCHEMA omnipg_mimeo TO {role}; GRANT ALL ON ALL TABLES IN SCHEMA omnipg_mimeo TO {role}; GRANT ALL ON t TO {role}");
        await using var data = Npgsql.NpgsqlDataSource.Create(new Npgsql.NpgsqlConnectionStringBuilder(mimeo.Databases.Destination.ConnectionString) { Username = role }.ConnectionString);
        var client = new MimeoClient(data);
        Task MakeAsync() => isUpdate ? client.UpdateAsync(Spec with { KeepHistory = true, Key = ["id"] }, TestContext.Current.CancellationToken)
            : client.CreateAsync(Spec with { KeepHistory = true }, cancellationToken: TestContext.Current.CancellationToken);

        var refused = (await ((Func<Task>)MakeAsync).Should().ThrowAsync<MimeoPermissionException>()).Which;
        string[] missing = [$"GRANT {owner} TO {role};", $"GRANT CREATE ON SCHEMA public TO {owner};"];
        refused.Hint.Should().Be("Run as owner: " + string.Join(' ', missing));
        (await client.CheckAccessAsync(Spec with { KeepHistory = true }, TestContext.Current.CancellationToken)).DestinationStatements.Should().Contain(missing);
        await mimeo.Databases.AtDestinationAsync(string.Join(' ', missing));
        await MakeAsync();

        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(tablename || ' ' || tableowner, ', ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'")).Should().Be($"t {owner}, t_deleted {owner}");
    }

    private static ReplicationSpec Spec => new() { Kind = ReplicationKind.Logdel, From = "erp", Source = QualifiedName.Parse("public.t") };

    private static ReplicationSpec Kept(ReplicationSpec spec) => spec with { KeepHistory = true };

    private async Task<Mimeo> CreateAsync()
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'old')");
        return mimeo;
    }
}
