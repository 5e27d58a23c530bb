using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Queues at the source: who makes them at once, who cannot take them away, and names that are as long as names can be.</summary>
public sealed class QueueSetupTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Two_that_make_a_queue_of_one_table_at_once_get_one_each()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE SCHEMA omnipg_mimeo; CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'x')");
        Task<CreateResult>[] creating;
        // A writer keeps the first from its trigger, while the second wants the names that the first has taken and not committed.
        await using (await QueueTests.HoldAsync(mimeo.Databases.Source, "BEGIN; INSERT INTO t VALUES (2, 'y')"))
        {
            creating = [.. Enumerable.Range(1, 2).Select(n => mimeo.CreateAsync(n == 1 ? ReplicationKind.Dml : ReplicationKind.Logdel, "public.t", s => s with { Destination = QualifiedName.Create("public", $"t{n}") }))];
            await Eventually.TrueAsync(
                async () => await mimeo.Databases.SourceAsync<string>("SELECT coalesce(string_agg(l.locktype, ' ' ORDER BY l.locktype), '') FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted") == "relation transactionid",
                "the first waits for the writer, and the second for the first", cancellationToken: TestContext.Current.CancellationToken);
        }

        var created = await Task.WhenAll(creating);

        created.Select(c => c.Spec.Queue!.Value.Name.Value).Should().BeEquivalentTo("public_t_q", "public_t_q01");
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'new'; INSERT INTO t VALUES (3, 'z')");
        foreach (var table in (string[])["t1", "t2"])
        {
            (await mimeo.RefreshAsync($"public.{table}")).Rows.Should().Be(2);
            await mimeo.Databases.ShouldBeEqualAsync("SELECT id, w FROM t", $"SELECT id, w FROM {table}");
        }
    }

    [Fact]
    public async Task What_a_set_up_that_failed_may_not_take_away_is_told_with_the_statements_that_do()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var role = $"puller_{Guid.NewGuid():N}";
        await mimeo.Databases.AtSourceAsync($"CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'x'); CREATE ROLE {role} LOGIN; GRANT SELECT, TRIGGER ON t TO {role}; CREATE SCHEMA omnipg_mimeo AUTHORIZATION {role}");
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Username = role }.ConnectionString, TestContext.Current.CancellationToken);
        await mimeo.Databases.AtDestinationAsync("CREATE TABLE t (id text, w text)");

        var creating = () => mimeo.CreateAsync(ReplicationKind.Dml, "public.t");
        var error = (await creating.Should().ThrowAsync<QueueLeftException>()).Which;

        error.Code.Should().Be("mimeo.queue.left");
        error.Message.Should().Contain("'id' is integer at the source and text at the destination").And.Contain("may not drop the trigger on 'public.t'");
        error.InnerException.Should().BeOfType<ColumnDriftException>();
        const string Before = "The next set-up of the same table removes it. Or run there: ";
        error.Hint.Should().StartWith(Before);
        (await mimeo.Databases.SourceAsync<long>(Left)).Should().Be(3);
        await mimeo.Databases.AtSourceAsync(error.Hint![Before.Length..]);
        (await mimeo.Databases.SourceAsync<long>(Left)).Should().Be(0);
        // Writers go on meanwhile and afterwards.
        await mimeo.Databases.AtSourceAsync("UPDATE t SET w = 'y'");
        (await mimeo.Client.ListAsync(TestContext.Current.CancellationToken)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_queue_of_a_source_that_is_away_is_dropped_later_or_left_with_its_statements()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        await mimeo.Databases.AtSourceAsync("CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'x')");
        var created = (await mimeo.CreateAsync(ReplicationKind.Dml, "public.t")).Spec;
        await mimeo.Client.AddSourceAsync("erp", new NpgsqlConnectionStringBuilder(mimeo.Databases.Source.ConnectionString) { Port = 1 }.ConnectionString, TestContext.Current.CancellationToken);

        var dropping = () => mimeo.DropAsync("public.t", keepTable: false);
        (await dropping.Should().ThrowAsync<SourceConnectionException>()).Which.Message.Should().StartWith("Source 'erp' at ");

        (await mimeo.Client.FindAsync(created.Target, TestContext.Current.CancellationToken)).Should().BeEquivalentTo(created);
        (await mimeo.Databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(1);
        var dropped = await mimeo.Client.DropAsync(created.Target, keepTable: false, SourceCleanup.Skip, TestContext.Current.CancellationToken);
        dropped.Dropped.Should().Equal(created.Target);
        (await mimeo.Databases.SourceAsync<long>(Left)).Should().Be(3);
        await mimeo.Databases.AtSourceAsync(string.Join('\n', dropped.SourceStatements));
        (await mimeo.Databases.SourceAsync<long>(Left)).Should().Be(0);
    }

    [Theory]
    [InlineData("n", 63)]
    [InlineData("ü", 31)]
    [InlineData("\U0001F600", 15)]
    public async Task Names_of_63_bytes_are_cut_between_two_characters_and_stay_apart(string character, int count)
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        // Apart in their last byte, which is cut off.
        var (one, two) = (string.Concat(Enumerable.Repeat(character, count)).PadRight(count * character.Length, 'x'), string.Concat(Enumerable.Repeat(character, count - 1)) + "b");
        foreach (var name in (string[])[one, two])
        {
            var table = QualifiedName.Create("public", name);
            await mimeo.Databases.AtSourceAsync($"CREATE TABLE {table.Quoted} (id int PRIMARY KEY, w text UNIQUE); INSERT INTO {table.Quoted} VALUES (1, 'x')");
            foreach (var kind in (ReplicationKind[])[ReplicationKind.Dml, ReplicationKind.Logdel])
            {
                var target = kind == ReplicationKind.Dml ? table : QualifiedName.Create("kept", name);
                await mimeo.Databases.AtDestinationAsync("CREATE SCHEMA IF NOT EXISTS kept");
                await mimeo.Client.CreateAsync(new ReplicationSpec { Kind = kind, From = "erp", Source = table, Destination = target }, cancellationToken: TestContext.Current.CancellationToken);
            }
            await mimeo.Databases.AtSourceAsync($"UPDATE {table.Quoted} SET w = {PgLiteral.Quote(name)}");
        }

        var specs = await mimeo.Client.ListAsync(TestContext.Current.CancellationToken);
        specs.Select(s => s.Queue).Should().OnlyHaveUniqueItems().And.HaveCount(4);
        foreach (var spec in specs)
        {
            (await mimeo.Client.RefreshAsync(spec.Target, cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Be(1);
            await mimeo.Databases.ShouldBeEqualAsync($"SELECT id, w FROM {spec.Source.Quoted}", $"SELECT id, w FROM {spec.Target.Quoted}");
            await mimeo.Client.DropAsync(spec.Target, cancellationToken: TestContext.Current.CancellationToken);
        }
        (await mimeo.Databases.SourceAsync<long>(Left)).Should().Be(0);
        // Key, unique index and, of a logdel, the time of the delete.
        (await mimeo.Databases.DestinationAsync<string>("SELECT string_agg(n::text, ' ') FROM (SELECT count(*) AS n FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname IN ('public', 'kept') GROUP BY i.indrelid ORDER BY 1) x"))
            .Should().Be("2 2 3 3");
        (await mimeo.Databases.DestinationAsync<int>("SELECT max(octet_length(relname)) FROM pg_class")).Should().BeLessThanOrEqualTo(63);
    }

    // Queues, functions and triggers.
    private const string Left =
        "SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'omnipg_mimeo' AND c.relkind = 'r') + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'omnipg_mimeo') + (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)";
}
