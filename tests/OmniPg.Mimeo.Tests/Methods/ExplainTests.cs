using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What a set-up would do, told before it is done.</summary>
public sealed class ExplainTests(PgClusterFixture fixture)
{
    private const string Source = "CREATE TABLE t (id int PRIMARY KEY, w text COLLATE \"C\", at timestamptz DEFAULT now() - interval '1 day'); CREATE INDEX t_w ON t (w) WHERE id % 2 = 0; INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) i";

    // Columns, indexes, views, functions and triggers, without the numbers that a function and a comment have of their database.
    private const string Catalog =
        """
        SELECT coalesce(string_agg(line, E'\n' ORDER BY line), '') FROM (
            SELECT concat_ws(' ', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation, pg_get_userbyid(c.relowner)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                WHERE a.attnum > 0 AND c.relkind IN ('r', 'v') AND (c.relnamespace = 'public'::regnamespace OR c.relname ~ '_q$')
            UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' OR tablename ~ '_q$'
            UNION ALL SELECT definition FROM pg_views WHERE schemaname = 'public'
            UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
            UNION ALL SELECT regexp_replace(pg_get_functiondef(oid), '[0-9]{4,}', '', 'g') || proacl::text FROM pg_proc WHERE proname ~ '_mimeo_queue$') x (line)
        """;

    [Theory]
    [InlineData(ReplicationKind.Snapshot)]
    [InlineData(ReplicationKind.Table)]
    [InlineData(ReplicationKind.Updater)]
    [InlineData(ReplicationKind.Dml)]
    [InlineData(ReplicationKind.Logdel)]
    public async Task The_statements_of_a_plan_make_what_the_set_up_makes_and_explaining_makes_nothing(ReplicationKind kind)
    {
        await using var made = await Mimeo.CreateAsync(fixture.Cluster);
        await using var byHand = await Mimeo.CreateAsync(fixture.Cluster);
        var spec = Spec(kind) with { KeepHistory = kind == ReplicationKind.Logdel };
        foreach (var mimeo in (Mimeo[])[made, byHand])
            await mimeo.Databases.AtSourceAsync(Source);
        var (there, here) = (await byHand.Databases.SourceAsync<string>(Catalog), await byHand.Databases.DestinationAsync<string>(Catalog));

        var explained = await byHand.Client.ExplainAsync(spec, cancellationToken: TestContext.Current.CancellationToken);

        (await byHand.Databases.SourceAsync<string>(Catalog)).Should().Be(there);
        (await byHand.Databases.DestinationAsync<string>(Catalog)).Should().Be(here);
        (await byHand.Client.ListAsync(TestContext.Current.CancellationToken)).Should().BeEmpty();
        (explained.Access.IsComplete, explained.Streams, explained.Warnings.Count).Should().Be((true, 1, 0));
        explained.Plan!.Steps.Where(s => s.Kind == "copy").Select(s => s.Server).Should().Equal("erp", "destination");
        explained.Plan.Steps.Where(s => s.BlocksWrites).SelectMany(s => s.Locks).Select(l => l.ToString()).Should().Equal(spec.Kind is ReplicationKind.Dml or ReplicationKind.Logdel ? (string[])["public.t in SHARE ROW EXCLUSIVE mode"] : []);
        foreach (var step in explained.Plan.Steps.Where(s => s.Sql is not null))
            await (step.Server == "erp" ? byHand.Databases.AtSourceAsync(step.Sql!) : byHand.Databases.AtDestinationAsync(step.Sql!));
        await made.Client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken);
        (await byHand.Databases.SourceAsync<string>(Catalog)).Should().Be(await made.Databases.SourceAsync<string>(Catalog));
        (await byHand.Databases.DestinationAsync<string>(Catalog)).Should().Be(await made.Databases.DestinationAsync<string>(Catalog)).And.NotBeEmpty();
    }

    [Fact]
    public async Task The_parts_of_a_large_table_are_told_and_hold_each_row_once()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster, o => (o.SplitLargerThanBytes, o.MaxParallelChunks) = (1, 3));
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text, at timestamptz DEFAULT now() - interval '1 day'); INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i");

        var explained = await mimeo.Client.ExplainAsync(Spec(ReplicationKind.Updater) with { Condition = "WHERE id > 1000" }, cancellationToken: TestContext.Current.CancellationToken);

        var reads = explained.Plan!.Steps.Where(s => s is { Kind: "copy", Server: "erp" }).Select(s => s.Description!).ToArray();
        (explained.Streams, reads.Length).Should().Be((3, 12));
        var rows = new List<long>();
        foreach (var read in reads)
        {
            read.Should().StartWith("COPY (").And.EndWith(") TO STDOUT (FORMAT binary)");
            rows.Add(await mimeo.Databases.SourceAsync<long>($"SELECT count(*) FROM ({read["COPY (".Length..^") TO STDOUT (FORMAT binary)".Length]}) q"));
        }
        rows.Sum().Should().Be(4000);
        explained.Plan.Steps.Where(s => s.Sql is not null).Select(s => s.Kind).Should().Equal("table", "table", "index", "index", "rename", "rename", "analyze");
        explained.Plan.Steps.Where(s => s is { Kind: "copy", Server: "destination" }).Select(s => s.Description).Should().OnlyContain(d => d == "COPY \"public\".\"t_omnipg_load\" (\"id\", \"w\", \"at\") FROM STDIN (FORMAT binary)");
    }

    [Fact]
    public async Task A_logical_table_says_what_its_source_has_to_publish()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(Source);

        var explained = await mimeo.Client.ExplainAsync(Spec(ReplicationKind.Logical) with { Condition = "WHERE id > 10" }, cancellationToken: TestContext.Current.CancellationToken);

        var slot = explained.Plan!.Steps.Where(s => s.Kind == "slot").ToArray();
        slot.Should().OnlyContain(s => s.Server == "erp" && s.OwnTransaction).And.HaveCount(2);
        slot[0].Sql.Should().MatchRegex("^CREATE PUBLICATION omnipg_[0-9a-f]{32} FOR TABLE \"public\".\"t\" WHERE \\( id > 10\n\\) WITH \\(publish_via_partition_root = true\\)$");
        slot[1].Sql.Should().MatchRegex("^SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot\\('omnipg_[0-9a-f]{32}', 'pgoutput'\\)$");
        (await mimeo.Databases.SourceAsync<long>("SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())")).Should().Be(0);
    }

    [Fact]
    public async Task Rights_that_are_missing_are_told_first_and_the_plan_once_the_source_can_be_looked_at()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"{Source}; CREATE ROLE {role} LOGIN");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);

        var blind = await ExplainAsync();
        blind.Plan.Should().BeNull();
        blind.Access.SourceStatements.Should().Equal($"GRANT SELECT ON public.t TO {role};", $"GRANT TRIGGER ON public.t TO {role};", $"CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role};");
        await mimeo.Databases.AtSourceAsync(blind.Access.SourceStatements[0]);
        var seeing = await ExplainAsync();
        seeing.Access.SourceStatements.Should().HaveCount(2);
        seeing.Plan!.Steps.Select(s => s.Kind).Should().StartWith("queue").And.EndWith("configure");
        foreach (var statement in seeing.Access.SourceStatements)
            await mimeo.Databases.AtSourceAsync(statement);
        (await ExplainAsync()).Access.IsComplete.Should().BeTrue();

        Task<ExplainResult> ExplainAsync() => mimeo.Client.ExplainAsync(Spec(ReplicationKind.Dml), cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task What_a_set_up_would_refuse_or_leave_out_is_told()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync($"{Source}; CREATE VIEW v AS SELECT * FROM t");
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE there (id int, w text, at timestamptz); CREATE TABLE other (id text)");
        Task<ExplainResult> ExplainAsync(ReplicationKind kind, string destination, Func<ReplicationSpec, ReplicationSpec>? change = null, CreateOptions? options = null)
        {
            var spec = Spec(kind) with { Destination = QualifiedName.Create("public", destination) };
            return mimeo.Client.ExplainAsync(change is null ? spec : change(spec), options, TestContext.Current.CancellationToken);
        }

        var taken = await ExplainAsync(ReplicationKind.Table, "there");
        taken.Warnings.Should().Equal("'public.there' is there: it is taken as it is, without rows and indexes.");
        (taken.Streams, string.Join(' ', taken.Plan!.Steps.Select(s => s.Kind))).Should().Be((0, "configure"));
        var empty = await ExplainAsync(ReplicationKind.Table, "fresh", options: new CreateOptions { PullData = false, Indexes = IndexCopy.None });
        (empty.Streams, string.Join(' ', empty.Plan!.Steps.Select(s => s.Kind))).Should().Be((0, "table analyze configure"));
        foreach (var (explaining, error) in (IEnumerable<(Func<Task<ExplainResult>>, Type)>)[
            (() => ExplainAsync(ReplicationKind.Table, "other"), typeof(ColumnDriftException)), (() => ExplainAsync(ReplicationKind.Snapshot, "there"), typeof(DestinationExistsException)),
            (() => ExplainAsync(ReplicationKind.Dml, "fresh", s => s with { Source = QualifiedName.Parse("public.v"), Key = ["id"] }), typeof(SourceKindException)),
            (() => ExplainAsync(ReplicationKind.Table, "fresh", s => s with { Source = QualifiedName.Parse("public.nobody") }), typeof(SourceTableNotFoundException)),
            (() => ExplainAsync(ReplicationKind.Table, "fresh", options: new CreateOptions { Owner = "nobody_" + Guid.NewGuid().ToString("N") }), typeof(MimeoPermissionException)),
            (() => ExplainAsync(ReplicationKind.Table, "fresh", s => s with { BatchLimit = 5 }), typeof(ArgumentException))])
            (await explaining.Should().ThrowAsync<Exception>()).Which.Should().BeOfType(error);
        await mimeo.CreateAsync(ReplicationKind.Table, "public.t");
        var again = () => ExplainAsync(ReplicationKind.Dml, "t");
        (await again.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("Destination 'public.t' is managed already.");
    }

    private static ReplicationSpec Spec(ReplicationKind kind) =>
        new() { Kind = kind, From = "erp", Source = QualifiedName.Parse("public.t"), Cursor = kind == ReplicationKind.Updater ? CursorColumn.Time("at") : null };
}
