using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>What a set-up that died has left at the source, as the next one of the same destination finds it, and as its plan tells it.</summary>
public sealed class LeftQueueTests(PgClusterFixture fixture)
{
    private const string AtSource = "CREATE TABLE orders (id int PRIMARY KEY, w text); CREATE TABLE customers (id int PRIMARY KEY, w text)";

    [Fact]
    public async Task A_queue_that_was_left_at_another_table_goes_and_that_of_another_destination_stays()
    {
        await using var mimeo = await LeftAsync(ReplicationKind.Dml);
        await mimeo.CreateAsync(ReplicationKind.Dml, "public.customers", s => s with { Destination = QualifiedName.Parse("public.live") });

        var explained = await mimeo.Client.ExplainAsync(Spec(ReplicationKind.Dml, "public.customers"), cancellationToken: TestContext.Current.CancellationToken);
        var made = await mimeo.CreateAsync(ReplicationKind.Dml, "public.customers", s => s with { Destination = QualifiedName.Parse("public.t") });

        made.Spec.Queue!.Value.ToString().Should().Be("omnipg_mimeo.public_customers_q01");
        await mimeo.Databases.AtSourceAsync("INSERT INTO orders VALUES (1, 'x'); INSERT INTO customers VALUES (1, 'x')");
        foreach (var table in (string[])["public.live", "public.t"])
            (await mimeo.RefreshAsync(table)).Rows.Should().Be(1);
        (await mimeo.Databases.SourceAsync<string>("SELECT string_agg(tgrelid::regclass || ' ' || tgname, ', ' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal")).Should().Be("customers public_customers_mimeo_trig, customers public_customers_mimeo_trig01");
        (await mimeo.Databases.SourceAsync<string>("SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'omnipg_mimeo'::regnamespace AND relkind = 'r'")).Should().Be("public_customers_q, public_customers_q01");
        (await mimeo.Databases.SourceAsync<string>("SELECT string_agg(proname, ', ' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'omnipg_mimeo'::regnamespace")).Should().Be("public_customers_mimeo_queue, public_customers_mimeo_queue01");
        explained.Plan!.Steps.Where(s => s.Reason.EndsWith("has left it.", StringComparison.Ordinal)).Select(s => $"{s.Sql} {string.Join(", ", s.Locks)} {s.DestroysData}").Should().Equal(
            "DROP TRIGGER IF EXISTS public_orders_mimeo_trig ON \"public\".\"orders\" public.orders in ACCESS EXCLUSIVE mode False", "DROP FUNCTION IF EXISTS omnipg_mimeo.public_orders_mimeo_queue()  False",
            "DROP TABLE IF EXISTS \"omnipg_mimeo\".\"public_orders_q\"  True");
    }

    [Fact]
    public async Task What_belongs_to_another_role_by_now_stays_and_is_told()
    {
        await using var mimeo = await LeftAsync(ReplicationKind.Dml);
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE ROLE {role} LOGIN; GRANT SELECT, TRIGGER ON customers TO {role}; GRANT USAGE, CREATE ON SCHEMA omnipg_mimeo TO {role}");
        await mimeo.Client.AddSourceAsync("erp", new Npgsql.NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);
        const string Statements = "DROP TRIGGER IF EXISTS public_orders_mimeo_trig ON \"public\".\"orders\"; DROP FUNCTION IF EXISTS omnipg_mimeo.public_orders_mimeo_queue(); DROP TABLE IF EXISTS \"omnipg_mimeo\".\"public_orders_q\";";
        const string Told = "Queue 'omnipg_mimeo.public_orders_q' of a former set-up fills on at the source. Let its owner and that of the table run there: " + Statements;

        var explained = await mimeo.Client.ExplainAsync(Spec(ReplicationKind.Dml, "public.customers"), cancellationToken: TestContext.Current.CancellationToken);
        explained.Warnings.Should().Equal(Told);
        explained.Plan!.DestroysData.Should().BeFalse();
        (await mimeo.CreateAsync(ReplicationKind.Dml, "public.customers", s => s with { Destination = QualifiedName.Parse("public.t") })).Warnings.Should().Equal(Told);

        await mimeo.Databases.AtSourceAsync("INSERT INTO orders VALUES (1, 'x'); INSERT INTO customers VALUES (1, 'x')");
        (await mimeo.RefreshAsync("public.t")).Rows.Should().Be(1);
        await mimeo.Databases.AtSourceAsync(Statements);
        (await mimeo.Databases.SourceAsync<bool>("SELECT to_regclass('omnipg_mimeo.public_orders_q') IS NULL")).Should().BeTrue();
    }

    [Fact]
    public async Task A_slot_that_was_left_is_a_step_of_the_plan_and_the_steps_run_as_they_stand()
    {
        await using var mimeo = await LeftAsync(ReplicationKind.Logical);
        var spec = Spec(ReplicationKind.Logical, "public.orders");

        var explained = await mimeo.Client.ExplainAsync(spec, cancellationToken: TestContext.Current.CancellationToken);

        var steps = explained.Plan!.Steps.Where(s => s.Kind == "slot").ToArray();
        steps.Select(s => $"{s.Sql![..s.Sql!.IndexOf('_', StringComparison.Ordinal)]} {s.DestroysData}").Should().Equal("SELECT pg True", "DROP PUBLICATION IF EXISTS omnipg False", "CREATE PUBLICATION omnipg False", "SELECT lsn FROM pg False");
        foreach (var step in steps)
            await mimeo.Databases.AtSourceAsync(step.Sql!);
        await mimeo.CreateAsync(ReplicationKind.Logical, "public.orders", _ => spec);
        await mimeo.DropAsync("public.t");
        (await mimeo.Databases.SourceAsync<long>("SELECT count(*) FROM pg_replication_slots WHERE database = current_database()")).Should().Be(0);
    }

    [Fact]
    public async Task A_trigger_that_fires_for_a_subscription_too_is_told_with_its_lock()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(AtSource);
        await mimeo.Databases.AtSourceAsync("INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) VALUES (1, 'orders'::regclass, 'r')");

        var explained = await mimeo.Client.ExplainAsync(Spec(ReplicationKind.Dml, "public.orders"), cancellationToken: TestContext.Current.CancellationToken);

        explained.Plan!.Steps.Where(s => s.Locks.Count > 0).Select(s => $"{s.Sql![..s.Sql!.IndexOf('"', StringComparison.Ordinal)]}{string.Join(", ", s.Locks)}").Should().Equal(
            "CREATE TRIGGER public.orders in SHARE ROW EXCLUSIVE mode", "ALTER TABLE public.orders in SHARE ROW EXCLUSIVE mode");
    }

    [Fact]
    public async Task No_source_has_the_name_that_a_plan_gives_the_destination()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(AtSource);

        var adding = () => mimeo.Client.AddSourceAsync("destination", mimeo.Databases.Source.ConnectionString, TestContext.Current.CancellationToken);
        (await adding.Should().ThrowAsync<ArgumentException>()).Which.Message.Should().StartWith("The name 'destination' stands for the destination in the plan of a set-up.");

        await mimeo.Databases.AtDestinationAsync("UPDATE omnipg_mimeo.source_name SET name = 'destination'");
        var explaining = () => mimeo.Client.ExplainAsync(Spec(ReplicationKind.Dml, "public.orders") with { From = "destination" }, cancellationToken: TestContext.Current.CancellationToken);
        (await explaining.Should().ThrowAsync<ReplicationConflictException>()).Which.Message.Should().StartWith("Source 'destination' cannot be told from the destination in a plan.");
    }

    private static ReplicationSpec Spec(ReplicationKind kind, string source) => new() { Kind = kind, From = "erp", Source = QualifiedName.Parse(source), Destination = QualifiedName.Parse("public.t") };

    // As a set-up leaves it that is killed between its queue and its table.
    private async Task<Mimeo> LeftAsync(ReplicationKind kind)
    {
        var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync(AtSource);
        await mimeo.CreateAsync(kind, "public.orders", s => s with { Destination = QualifiedName.Parse("public.t") });
        await mimeo.Client.DropAsync(QualifiedName.Parse("public.t"), keepTable: false, SourceCleanup.Skip, TestContext.Current.CancellationToken);
        return mimeo;
    }
}
