using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

/// <summary>What a template gives to partitions beside indexes and parameters.</summary>
public sealed class TemplateTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Form =
        """
        CREATE TABLE events (id bigint NOT NULL, note text, span int4range) PARTITION BY RANGE (id);
        CREATE TABLE log (id bigint); CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (NEW.id); RETURN NULL; END';
        CREATE TABLE form (LIKE events); ALTER TABLE form ADD EXCLUDE USING gist (span WITH &&) WHERE (note <> 'x'), ENABLE ROW LEVEL SECURITY;
        CREATE TRIGGER "odd ON ""public"".""form"" %s" AFTER INSERT OR UPDATE OF note ON form FOR EACH ROW WHEN (NEW.note <> '') EXECUTE FUNCTION noted('a ON b'); CREATE TRIGGER always AFTER DELETE ON form EXECUTE FUNCTION noted();
        ALTER TABLE form ENABLE ALWAYS TRIGGER always; CREATE POLICY "p %s" ON form AS RESTRICTIVE FOR SELECT TO PUBLIC USING (id > 0);
        CREATE STATISTICS pair (ndistinct, mcv) ON note, id FROM form; CREATE STATISTICS low ON (lower(note)) FROM form;
        """;

    private static PartitionSetOptions WithForm() => Tens(o => o.Template = QualifiedName.Parse("public.form"));

    private async Task<string> OfAsync(string table) => (await Ask<string>(
        $"""
         SELECT concat_ws(' | ', c.relrowsecurity,
             (SELECT string_agg(pg_get_constraintdef(k.oid), ';' ORDER BY k.conname) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'x'),
             (SELECT string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, ';' ORDER BY t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal),
             (SELECT string_agg(concat_ws(' ', p.polname, p.polpermissive, p.polcmd, pg_get_expr(p.polqual, p.polrelid)), ';' ORDER BY p.polname) FROM pg_policy p WHERE p.polrelid = c.oid),
             (SELECT string_agg(s.stxkind::text || pg_get_statisticsobjdef_columns(s.oid), ';' ORDER BY s.stxkind::text) FROM pg_statistic_ext s WHERE s.stxrelid = c.oid))
         FROM pg_class c WHERE c.oid = '{table}'::regclass
         """)).Replace($" ON public.{table} ", " ON public.form ", StringComparison.Ordinal);

    [Fact]
    public async Task Partitions_have_its_exclusion_constraints_triggers_policies_and_statistics_and_the_default_one_has_not()
    {
        await Run(Form);

        await Partman.CreateAsync(Events, WithForm(), Token);

        var form = await OfAsync("form");
        form.Should().Contain("EXCLUDE USING gist (span WITH &&) WHERE").And.Contain("'a ON b'").And.Contain("p %s f r (id > 0)").And.Contain("lower(note)");
        (await OfAsync("events_p0")).Should().Be(form);
        (await OfAsync("events_p40")).Should().Be(form);
        (await OfAsync("events_default")).Should().Be("f");
        await Run("INSERT INTO events VALUES (5, 'y', '[1,3)')");
        await FluentActions.Awaiting(() => Run("INSERT INTO events VALUES (6, 'y', '[2,4)')")).Should().ThrowAsync<Npgsql.PostgresException>().Where(e => e.SqlState == "23P01");
    }

    [Fact]
    public async Task Its_triggers_take_no_row_that_moves_for_a_new_one_and_go_on_with_another_interval()
    {
        await Run(Form);
        await Partman.CreateAsync(Events, WithForm(), Token);
        await Run("INSERT INTO events VALUES (5, 'y', NULL), (75, 'late', NULL)");

        var drained = await Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        var written = await Ask<long[]>("SELECT array_agg(id ORDER BY id) FROM log");
        await Run("ALTER TABLE events ADD PRIMARY KEY (id)");
        await Partman.RepartitionAsync(Events, new RepartitionOptions { IdInterval = 100, Rewrite = true }, cancellationToken: Token);
        var copied = await Ask<long>("SELECT count(*) FROM log");
        await Run("INSERT INTO events VALUES (6, 'z', NULL)");

        drained.Select(d => d.Partition.Name.Value).Should().Equal("events_p70");
        written.Should().Equal(5);
        copied.Should().Be(1);
        (await OfAsync("events_p0")).Should().Be(await OfAsync("form"));
        (await Ask<long[]>("SELECT array_agg(id ORDER BY id) FROM log")).Should().Equal(5, 6);
        (await Ask<long>("SELECT count(*) FROM events")).Should().Be(3);
    }

    private const string Below =
        """
        CREATE TABLE events (id bigint NOT NULL, tenant bigint NOT NULL, note text) PARTITION BY RANGE (id);
        CREATE TABLE log (id bigint, told text); CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (NEW.id, TG_TABLE_NAME); RETURN NULL; END';
        CREATE TABLE form (LIKE events); CREATE TRIGGER seen AFTER INSERT ON form FOR EACH ROW EXECUTE FUNCTION noted();
        """;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Its_triggers_come_behind_rows_that_are_drained_into_partitions_of_partitions(bool isHash)
    {
        await Run(Below);
        await Partman.CreateAsync(Events, Tens(o =>
        {
            (o.Premake, o.Template) = (1, QualifiedName.Parse("public.form"));
            if (isHash)
                (o.HashColumn, o.HashPartitions) = ("tenant", 2);
            else
                o.SubPartitions = new PartitionSetOptions { Control = "tenant", IdInterval = 5, Premake = 1, DefaultPartition = false };
        }), Token);
        await Run("INSERT INTO events VALUES (1, 1, 'new'), (75, 1, 'late'), (76, 6, 'late')");

        var drained = await Partman.DrainDefaultAsync(Events, cancellationToken: Token);
        var told = await Ask<long[]>("SELECT array_agg(id ORDER BY id) FROM log");
        await Run("INSERT INTO events VALUES (77, 1, 'new'), (78, 6, 'new')");

        drained.Select(d => d.Partition.Name.Value).Should().Equal("events_p70");
        told.Should().Equal(1);
        (await Ask<long[]>("SELECT array_agg(id ORDER BY id) FROM log")).Should().Equal(1, 77, 78);
        (await Ask<long>("SELECT count(*) FROM pg_partition_tree('events_p70') t WHERE t.isleaf AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.relid AND g.tgname = 'seen')")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM events WHERE tableoid = ANY (SELECT relid FROM pg_partition_tree('events_p70'))")).Should().Be(4);
    }

    [Fact]
    public async Task A_table_is_not_copied_into_partitions_whose_triggers_would_take_its_rows_for_new_ones()
    {
        await Run(Form + "CREATE TABLE orders (id bigint PRIMARY KEY, note text, span int4range)");
        var options = new ConversionOptions { Set = WithForm() };

        var convert = () => Partman.ConvertAsync(QualifiedName.Parse("public.orders"), options, cancellationToken: Token);

        (await convert.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Should().ContainSingle().Which.Should()
            .Match<InvalidDefinition>(r => r.Reason == InvalidDefinitionReason.Template && r.Text.StartsWith("Triggers of the template 'public.form' would take rows"));
    }
}
