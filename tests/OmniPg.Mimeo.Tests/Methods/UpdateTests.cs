using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Settings of managed tables that are changed.</summary>
public sealed class UpdateTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Period_limit_and_options_of_the_kind_are_changed_and_the_rest_stays()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        var created = (await mimeo.CreateAsync(ReplicationKind.Updater, "public.t", s => s with { Cursor = CursorColumn.Serial("col1", 0), Period = "1 hour" })).Spec;

        var changed = await UpdateAsync(mimeo, created with { Period = "2 months", BatchLimit = 7, Audit = false });

        (changed.Period, changed.BatchLimit, changed.Audit).Should().Be(((PgInterval)"2 months", 7, false));
        changed.Should().BeEquivalentTo(created with { Period = "2 months", BatchLimit = 7, Audit = false });
        (await UpdateAsync(mimeo, changed with { Period = null, BatchLimit = null, Audit = true })).Should().BeEquivalentTo(created with { Period = null });
    }

    [Fact]
    public async Task A_snapshot_gets_other_columns_and_rows_with_its_next_refresh()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        var created = (await mimeo.CreateAsync(ReplicationKind.Snapshot, "public.t")).Spec;

        await UpdateAsync(mimeo, created with { Columns = ["col1", "col3"], Condition = "WHERE col1 <= 10", SkipUnchanged = false, PostScript = ["COMMENT ON VIEW public.t IS 'anew'"] });
        await mimeo.RefreshAsync("public.t");

        await mimeo.Databases.ShouldBeEqualAsync("SELECT col1, col3 FROM t WHERE col1 <= 10", "SELECT * FROM t");
        (await mimeo.Databases.DestinationAsync<string>("SELECT obj_description('t'::regclass)")).Should().Be("anew");
    }

    [Fact]
    public async Task What_the_rows_that_are_here_stand_for_cannot_be_changed()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        var created = (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Spec;

        foreach (var other in (ReplicationSpec[])[created with { Condition = "WHERE col1 > 5" }, created with { Columns = ["col1", "col2"] }, created with { Key = ["col2"] }, created with { From = "other" }, created with { Source = QualifiedName.Parse("public.u"), Destination = created.Target }])
        {
            var changing = () => UpdateAsync(mimeo, other);
            (await changing.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith("Of 'public.t' (Dml) only Period, BatchLimit, Audit and the options of its kind can be changed, and ");
        }
        var unknown = () => UpdateAsync(mimeo, created with { Destination = QualifiedName.Parse("public.nowhere") });
        await unknown.Should().ThrowAsync<NotManagedException>();
        (await mimeo.Client.FindAsync(created.Target, TestContext.Current.CancellationToken)).Should().BeEquivalentTo(created);
    }

    [Fact]
    public async Task A_queue_or_a_slot_of_somebody_else_is_refused_and_none_is_that_of_the_table()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.MakeSourceAsync("public.t");
        var created = (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Spec;

        foreach (var other in (ReplicationSpec[])[created with { Queue = QualifiedName.Parse("omnipg_mimeo.public_u_q") }, created with { Slot = "mine" }])
        {
            var changing = () => UpdateAsync(mimeo, other with { BatchLimit = 5 });
            (await changing.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().Contain(other.Queue == created.Queue ? "and Slot would be" : "and Queue would be");
        }

        (await mimeo.Client.FindAsync(created.Target, TestContext.Current.CancellationToken)).Should().BeEquivalentTo(created);
        (await UpdateAsync(mimeo, created with { Queue = null, BatchLimit = 5 })).Should().BeEquivalentTo(created with { BatchLimit = 5 });
    }

    private static Task<ReplicationSpec> UpdateAsync(Mimeo mimeo, ReplicationSpec spec) => mimeo.Client.UpdateAsync(spec, TestContext.Current.CancellationToken);
}
