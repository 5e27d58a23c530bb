using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Repartitioning;

/// <summary>What a partition has beyond its set goes on with those in its place, or keeps it from being replaced.</summary>
public sealed class RepartitionTraitTests(PgClusterFixture fixture) : RepartitionTest(fixture)
{
    [Theory]
    [InlineData("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON events_p0 FOR EACH ROW EXECUTE FUNCTION f()", "Trigger 't' stands on its partition 'public.events_p0' alone.")]
    [InlineData("CREATE VIEW v AS SELECT * FROM events_p10", "'view public.v' holds on to its partition 'public.events_p10' alone.")]
    [InlineData("CREATE TABLE word (w text PRIMARY KEY); ALTER TABLE events_p0 ADD FOREIGN KEY (note) REFERENCES word NOT VALID", "Foreign key 'events_p0_note_fkey' stands on its partition 'public.events_p0' alone.")]
    [InlineData("CREATE UNIQUE INDEX once ON events_p0 (note)", "Unique index 'once' stands on its partition 'public.events_p0' alone.")]
    [InlineData("ALTER TABLE events_p0 ENABLE ROW LEVEL SECURITY", "Row security is on for its partition 'public.events_p0' alone.")]
    [InlineData("CREATE RULE r AS ON INSERT TO events_p0 DO ALSO NOTHING", "Rule 'r' stands on its partition 'public.events_p0' alone.")]
    [InlineData("CREATE STATISTICS s ON id, note FROM events_p0", "Statistics object 's' stands on its partition 'public.events_p0' alone.")]
    [InlineData("CREATE SEQUENCE s OWNED BY events_p0.id", "Sequence 's' belongs to its partition 'public.events_p0' alone.")]
    [InlineData("ALTER TABLE events_p0 SET UNLOGGED", "Its partition 'public.events_p0' is unlogged, and those in its place would not be.")]
    [InlineData("ALTER TABLE events_p0 ADD CONSTRAINT short CHECK (length(note) < 9) NOT VALID", "Check 'short' stands on its partition 'public.events_p0' alone, and is not validated.")]
    [InlineData("ALTER TABLE events_p0 ADD CONSTRAINT short CHECK (length(note) < 9)", "Check 'short' stands on its partition 'public.events_p0' and not on all 3 from '0' up to '30' that are replaced together: give it to all of them, or take it away.")]
    [InlineData("COMMENT ON TABLE events_p10 IS 'the second'", "Its comment stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("COMMENT ON COLUMN events_p10.note IS 'words'", "The comment of column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 SET (fillfactor = 70)", "Storage parameter 'fillfactor=70' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 SET (toast.autovacuum_enabled = off)", "Storage parameter 'toast.autovacuum_enabled=off' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("CREATE INDEX one ON events_p10 (note)", "Index 'one' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 ALTER note SET STATISTICS 7", "Statistics target '7' of column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 ALTER note SET (n_distinct = 7)", "Option 'n_distinct=7' of column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 ALTER note SET STORAGE EXTERNAL", "Storage of column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 ALTER note SET DEFAULT 'none'", "The default of column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 ALTER note SET NOT NULL", "NOT NULL of column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("ALTER TABLE events_p10 REPLICA IDENTITY FULL", "Its replica identity stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("GRANT SELECT ON events_p10 TO PUBLIC", "Right SELECT of PUBLIC stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("GRANT UPDATE (note) ON events_p10 TO PUBLIC", "Right UPDATE of PUBLIC on column 'note' stands on its partition 'public.events_p10' and not on all 3")]
    [InlineData("COMMENT ON TABLE events_p40 IS 'empty'", "Its comment stands on its partition 'public.events_p40' and not on all 3")]
    public async Task What_only_some_partitions_have_of_their_own_is_refused_before_anything_changes(string sql, string reason)
    {
        await CreateAsync();
        await Run(sql);

        var act = () => Partman.RepartitionAsync(Events, Ids(30, rewrite: true), cancellationToken: Token);

        (await act.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain(reason);
        (await Partman.FindAsync(Events, Token))!.IdInterval.Should().Be(10);
        (await NamesAsync()).Should().HaveCount(8);
        (await Ask<long>(Left)).Should().Be(0);
    }

    [Fact]
    public async Task What_all_partitions_that_are_replaced_together_have_of_their_own_goes_on()
    {
        await CreateAsync();
        for (var n = 0; n <= 60; n += 10)
        {
            await Run(
                $"""
                 COMMENT ON TABLE events_p{n} IS 'old''s'; COMMENT ON COLUMN events_p{n}.note IS 'words'; ALTER TABLE events_p{n} SET (fillfactor = 60, toast.autovacuum_enabled = off), ADD CONSTRAINT short CHECK (length(note) < 100),
                     ALTER note SET STATISTICS 500, ALTER note SET (n_distinct = 7), ALTER note SET STORAGE EXTERNAL, ALTER note SET COMPRESSION pglz, ALTER note SET DEFAULT 'none', ALTER note SET NOT NULL, REPLICA IDENTITY FULL;
                 CREATE INDEX ON events_p{n} (note) WHERE note <> ''; GRANT SELECT, INSERT ON events_p{n} TO PUBLIC; GRANT UPDATE (note) ON events_p{n} TO PUBLIC
                 """);
        }
        const string Own =
            """
            SELECT concat_ws(' ', obj_description(c.oid), col_description(c.oid, 2), c.reloptions, (SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid), (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = c.oid AND conname = 'short'),
                a.attstattarget, (SELECT array_agg(o) FROM unnest(a.attoptions) o WHERE o !~ 'attver'), a.attstorage, a.attcompression, a.attnotnull, (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = c.oid), c.relreplident,
                (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND pg_get_expr(indpred, indrelid) IS NOT NULL), c.relacl, a.attacl)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'note' WHERE c.oid = 
            """;
        var before = await Ask<string>($"{Own}'events_p0'::regclass");

        var plan = await Partman.PlanRepartitionAsync(Events, Ids(30, rewrite: true), Token);
        await Partman.RepartitionAsync(Events, Ids(30, rewrite: true), cancellationToken: Token);
        var merged = new[] { await Ask<string>($"{Own}'events_p0'::regclass"), await Ask<string>($"{Own}'events_p30'::regclass"), await Ask<string>($"{Own}'events_p60'::regclass") };
        await Partman.RepartitionAsync(Events, Ids(15, rewrite: true), cancellationToken: Token);

        before.Should().Contain("old's").And.Contain("fillfactor=60").And.Contain(" e p t ");
        plan.Steps.Single(s => s.Kind == "log-keys").Reason.Should().Contain("What the former ones have of their own goes on: ").And.Contain("Its comment").And.Contain("Right INSERT of PUBLIC");
        merged.Should().AllBe(before);
        foreach (var n in new[] { 0, 15, 30, 45, 60, 75 })
            (await Ask<string>($"{Own}'events_p{n}'::regclass")).Should().Be(before);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(25);
        (await Ask<long>(Left)).Should().Be(0);
    }

    [Fact]
    public async Task What_stands_on_a_partition_that_stays_keeps_nobody_from_it()
    {
        await CreateAsync();
        await Run("COMMENT ON TABLE events_p0 IS 'first'; ALTER TABLE events_p0 ENABLE ROW LEVEL SECURITY");

        await Partman.RepartitionAsync(Events, Ids(100), cancellationToken: Token);

        (await Ask<string>("SELECT obj_description('events_p0'::regclass)")).Should().Be("first");
    }

    [Fact]
    public async Task Checks_of_cold_partitions_go_and_the_plan_says_so()
    {
        await CreateAsync();
        await Partman.ApplyConstraintsAsync(Events, new ConstraintOptions { Columns = ["note"], Distance = 1 }, cancellationToken: Token);
        var checks = await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'partmanconstr%'");

        var plan = await Partman.PlanRepartitionAsync(Events, Ids(30, rewrite: true), Token);
        await Partman.RepartitionAsync(Events, Ids(30, rewrite: true), cancellationToken: Token);

        checks.Should().BePositive();
        plan.Steps.Single(s => s.Kind == "log-keys").Reason.Should().Contain("Check 'partmanconstr_events_p0_note'").And.Contain("go, and 'ApplyConstraintsAsync' makes such anew.");
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(25);
    }

    [Fact]
    public async Task Before_the_rows_of_a_set_move_what_a_killed_run_left_is_to_be_aborted()
    {
        await CreateAsync();
        await LeaveAsync();
        await Run("CREATE TABLE target (id bigint, note text)");
        var undo = () => Partman.UndoAsync(Events, QualifiedName.Parse("public.target"), cancellationToken: Token);

        var refused = (await undo.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which;
        await Partman.AbortRepartitionAsync(Events, Token);
        var undone = await undo();

        refused.Reasons.Select(r => r.Text).Should().Contain("Trigger 'omnipg_log' of 'public.events_p0' would take rows that move for deleted: abort the repartitioning first.");
        undone.Rows.Should().Be(25);
    }
}
