using System.Text.RegularExpressions;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

/// <summary>Roles with no more than they need on either side.</summary>
public sealed partial class AccessTests(PgClusterFixture fixture)
{
    private static readonly ReplicationKind[] Kinds = Enum.GetValues<ReplicationKind>();

    [Fact]
    public async Task The_grants_of_the_documentation_are_enough_for_every_method_and_none_of_them_is_one_too_many()
    {
        await using var scene = await Scene.CreateAsync(fixture.Cluster, "puller", "keeper");
        await scene.Databases.AtSourceAsync("CREATE TABLE orders (id int PRIMARY KEY, w text, at timestamptz DEFAULT now() - interval '1 day'); INSERT INTO orders SELECT i, 'old' FROM generate_series(1, 100) i");
        var (there, here) = Documented(scene);

        await RunAsync(scene.Databases.Destination, here);
        await scene.Client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await scene.Client.AddSourceAsync("erp", scene.SourceConnection, TestContext.Current.CancellationToken);
        var needed = (await CheckAsync(scene, ReplicationKind.Table)).SourceStatements.Select(s => s.Replace("\"", "", StringComparison.Ordinal)).ToHashSet();
        await RunAsync(scene.Databases.Source, there[..1]);
        foreach (var kind in Kinds)
            needed.UnionWith((await CheckAsync(scene, kind)).SourceStatements);
        needed.Where(s => !s.StartsWith("CREATE PUBLICATION omnipg_", StringComparison.Ordinal)).Should().BeEquivalentTo(there);
        await RunAsync(scene.Databases.Source, there[1..]);

        foreach (var kind in Kinds)
        {
            var access = await CheckAsync(scene, kind);
            access.DestinationStatements.Should().BeEmpty();
            await RunAsync(scene.Databases.Source, access.SourceStatements);
            await FollowAsync(scene, kind);
        }
    }

    [Fact]
    public async Task A_table_that_comes_with_a_new_version_is_open_to_those_who_had_the_one_beside_it()
    {
        await using var mimeo = await Mimeo.CreateAsync(fixture.Cluster);
        var role = $"few_{Guid.NewGuid():N}";
        await mimeo.Databases.AtDestinationAsync($"CREATE ROLE {role}; GRANT SELECT, UPDATE ON omnipg_mimeo.table_state TO {role}; DROP TABLE omnipg_mimeo.table_option; UPDATE omnipg_mimeo.schema_version SET version = 3");

        await new MimeoClient(mimeo.Databases.Destination.DataSource).EnsureCreatedAsync(TestContext.Current.CancellationToken);

        (await mimeo.Databases.DestinationAsync<string>($"SELECT string_agg(privilege, ' ') FROM unnest('{{SELECT,INSERT,UPDATE,DELETE}}'::text[]) privilege WHERE has_table_privilege('{role}', 'omnipg_mimeo.table_option', privilege)"))
            .Should().Be("SELECT UPDATE");
    }

    [Fact]
    public async Task Everything_that_is_missing_is_said_at_once_for_each_side_and_is_enough_once_it_was_run()
    {
        await using var scene = await Scene.CreateAsync(fixture.Cluster, "it's a \"puller\"; x", "keeper \"%I\"");
        var (puller, keeper) = (PgIdentifier.Create(scene.Puller).Quoted, PgIdentifier.Create(scene.Keeper).Quoted);
        await scene.Databases.AtSourceAsync(
            """
            CREATE SCHEMA "own; er"; CREATE SCHEMA lists; GRANT USAGE ON SCHEMA lists TO PUBLIC;
            CREATE TABLE "own; er"."or'ders" (id int PRIMARY KEY, w text, secret text, part int) PARTITION BY RANGE (id); CREATE TABLE "own; er".leaf PARTITION OF "own; er"."or'ders" FOR VALUES FROM (0) TO (1000);
            INSERT INTO "own; er"."or'ders" SELECT i, 'old', 'hidden', i % 3 FROM generate_series(1, 100) i;
            CREATE TABLE lists.parts (part int, note text); INSERT INTO lists.parts VALUES (1, ''), (2, '');
            CREATE FUNCTION lists.wanted(int) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 > 1; REVOKE ALL ON FUNCTION lists.wanted FROM PUBLIC;
            """);
        await scene.Databases.AtDestinationAsync("CREATE TABLE public.made (id int PRIMARY KEY, w text); REVOKE TEMPORARY ON DATABASE current FROM PUBLIC".Replace("current", scene.Databases.Destination.Name, StringComparison.Ordinal));
        var superuser = new MimeoClient(scene.Databases.Destination.DataSource);
        await superuser.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await superuser.AddSourceAsync("erp", scene.SourceConnection, TestContext.Current.CancellationToken);
        var spec = new ReplicationSpec
        {
            Kind = ReplicationKind.Dml, From = "erp", Source = QualifiedName.Create("own; er", "or'ders"), Destination = QualifiedName.Parse("public.made"), Columns = ["id", "w"],
            Condition = ", lists.parts p WHERE p.part = \"or'ders\".part AND lists.wanted(p.part) -- only those",
        };

        var unread = await scene.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken);
        unread.SourceStatements.Should().BeEmpty();
        unread.DestinationStatements.Should().Equal(
            $"GRANT TEMPORARY ON DATABASE {scene.Databases.Destination.Name} TO {keeper};", $"GRANT USAGE ON SCHEMA omnipg_mimeo, public TO {keeper};",
            $"GRANT SELECT ON omnipg_mimeo.dblink_mapping_mimeo, omnipg_mimeo.refresh_config, omnipg_mimeo.refresh_config_inserter_serial, omnipg_mimeo.refresh_config_inserter_time, omnipg_mimeo.refresh_config_logdel, omnipg_mimeo.refresh_config_logical, omnipg_mimeo.refresh_config_snap, omnipg_mimeo.refresh_config_table, omnipg_mimeo.refresh_config_updater_serial, omnipg_mimeo.refresh_config_updater_time, omnipg_mimeo.schema_version, omnipg_mimeo.source_name TO {keeper};",
            $"GRANT DELETE, INSERT, SELECT, UPDATE ON omnipg_mimeo.refresh_config_dml, omnipg_mimeo.table_option, omnipg_mimeo.table_state TO {keeper};", $"GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON public.made TO {keeper};");
        await RunAsync(scene.Databases.Destination, unread.DestinationStatements);
        var barred = await scene.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken);
        barred.DestinationStatements.Should().BeEmpty();
        barred.SourceStatements.Should().BeEquivalentTo(
            [
                $"GRANT USAGE ON SCHEMA \"own; er\" TO {puller};", $"GRANT SELECT (id, w) ON \"own; er\".\"or'ders\" TO {puller};", $"GRANT TRIGGER ON \"own; er\".leaf TO {puller};",
                $"GRANT TRIGGER ON \"own; er\".\"or'ders\" TO {puller};", $"CREATE SCHEMA omnipg_mimeo AUTHORIZATION {puller};",
            ]);
        await RunAsync(scene.Databases.Source, barred.SourceStatements);
        var condition = await scene.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken);
        condition.SourceStatements.Should().BeEquivalentTo(
            [$"GRANT SELECT (part) ON lists.parts TO {puller};", $"GRANT SELECT (part) ON \"own; er\".\"or'ders\" TO {puller};", $"GRANT EXECUTE ON FUNCTION lists.wanted(integer) TO {puller};"]);
        await RunAsync(scene.Databases.Source, condition.SourceStatements);

        (await scene.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken)).IsComplete.Should().BeTrue();
        await scene.Client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken);
        (await scene.Client.RefreshAsync(spec.Target, new RefreshOptions { Repull = Repull.All }, cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Be(33);
        (await scene.Databases.SourceAsync<long>("SELECT count(*) FROM pg_class WHERE relname = 'omnipg_access'")).Should().Be(0);
    }

    [Fact]
    public async Task A_table_that_lost_a_right_since_it_was_set_up_is_told_with_the_statement_that_gives_it_back()
    {
        await using var scene = await Scene.CreateAsync(fixture.Cluster, "puller", "keeper");
        await scene.Databases.AtSourceAsync("CREATE TABLE orders (id int PRIMARY KEY, w text); INSERT INTO orders SELECT i, 'old' FROM generate_series(1, 100) i");
        var (there, here) = Documented(scene);
        await RunAsync(scene.Databases.Source, there);
        await RunAsync(scene.Databases.Destination, here);
        await scene.Client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await scene.Client.AddSourceAsync("erp", scene.SourceConnection, TestContext.Current.CancellationToken);
        var dml = (await scene.Client.CreateAsync(Spec(ReplicationKind.Dml), cancellationToken: TestContext.Current.CancellationToken)).Spec;
        var snapshot = (await scene.Client.CreateAsync(Spec(ReplicationKind.Snapshot), cancellationToken: TestContext.Current.CancellationToken)).Spec;
        (await scene.Client.CheckAccessAsync(dml, TestContext.Current.CancellationToken)).IsComplete.Should().BeTrue();

        await scene.Databases.AtSourceAsync($"ALTER TABLE omnipg_mimeo.public_orders_q OWNER TO postgres; ALTER TABLE orders ENABLE ROW LEVEL SECURITY; REVOKE CONNECT ON DATABASE {scene.Databases.Source.Name} FROM {scene.Puller}");
        await scene.Databases.AtDestinationAsync("ALTER VIEW dw.snapshot OWNER TO postgres; ALTER TABLE dw.snapshot_snap2 OWNER TO postgres; ALTER TABLE dw.dml OWNER TO postgres");

        (await scene.Client.CheckAccessAsync(dml, TestContext.Current.CancellationToken)).SourceStatements.Should().Equal($"GRANT CONNECT ON DATABASE \"{scene.Databases.Source.Name}\" TO \"{scene.Puller}\";");
        await scene.Databases.AtSourceAsync($"GRANT CONNECT ON DATABASE {scene.Databases.Source.Name} TO {scene.Puller}");
        var lost = await scene.Client.CheckAccessAsync(dml, TestContext.Current.CancellationToken);
        lost.SourceStatements.Should().Equal($"ALTER ROLE {scene.Puller} BYPASSRLS;", $"GRANT SELECT, INSERT, DELETE ON omnipg_mimeo.public_orders_q TO {scene.Puller};");
        lost.DestinationStatements.Should().Equal($"GRANT DELETE, INSERT, SELECT, TRUNCATE, UPDATE ON dw.dml TO {scene.Keeper};");
        var shown = await scene.Client.CheckAccessAsync(snapshot, TestContext.Current.CancellationToken);
        shown.DestinationStatements.Should().BeEquivalentTo([$"ALTER TABLE dw.snapshot_snap2 OWNER TO {scene.Keeper};", $"ALTER VIEW dw.snapshot OWNER TO {scene.Keeper};"]);
        await RunAsync(scene.Databases.Source, lost.SourceStatements);
        await RunAsync(scene.Databases.Destination, [.. lost.DestinationStatements, .. shown.DestinationStatements]);
        await scene.Databases.AtSourceAsync("UPDATE orders SET w = 'new' WHERE id <= 10");

        foreach (var spec in (ReplicationSpec[])[dml, snapshot])
        {
            (await scene.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken)).IsComplete.Should().BeTrue();
            await scene.Client.RefreshAsync(spec.Target, new RefreshOptions { SkipUnchanged = false }, cancellationToken: TestContext.Current.CancellationToken);
            await scene.Databases.ShouldBeEqualAsync("SELECT * FROM orders", $"SELECT * FROM {spec.Target}");
        }
    }

    [Fact]
    public async Task A_role_that_may_read_some_columns_pulls_those_even_of_a_table_that_is_large()
    {
        await using var scene = await Scene.CreateAsync(fixture.Cluster, "puller", "keeper", o => o.SplitLargerThanBytes = 1);
        await scene.Databases.AtSourceAsync($"CREATE TABLE orders (id int PRIMARY KEY, w text, secret text); INSERT INTO orders SELECT i, 'old', 'x' FROM generate_series(1, 1000) i; GRANT SELECT (id, w) ON orders TO {scene.Puller}; GRANT CONNECT ON DATABASE {scene.Databases.Source.Name} TO {scene.Puller}; GRANT USAGE ON SCHEMA public TO {scene.Puller}");
        await RunAsync(scene.Databases.Destination, Documented(scene).Here);
        await scene.Client.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        await scene.Client.AddSourceAsync("erp", scene.SourceConnection, TestContext.Current.CancellationToken);
        var spec = Spec(ReplicationKind.Updater) with { Columns = ["id", "w"] };

        (await scene.Client.CheckAccessAsync(spec, TestContext.Current.CancellationToken)).IsComplete.Should().BeTrue();
        (await scene.Client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken)).Rows.Should().Be(999);
    }

    // What a role with exactly the rights of the check does with one table.
    private static async Task FollowAsync(Scene scene, ReplicationKind kind)
    {
        var spec = Spec(kind);
        await scene.Client.CreateAsync(spec, cancellationToken: TestContext.Current.CancellationToken);
        await scene.Databases.AtSourceAsync($"UPDATE orders SET w = '{kind}' WHERE id <= 10; INSERT INTO orders VALUES ({1000 + (int)kind}, 'new')");
        var managed = (await scene.Client.FindAsync(spec.Target, TestContext.Current.CancellationToken))!;
        (await scene.Client.CheckAccessAsync(managed, TestContext.Current.CancellationToken)).IsComplete.Should().BeTrue();
        await scene.Client.RefreshAsync(spec.Target, new RefreshOptions { SkipUnchanged = false }, cancellationToken: TestContext.Current.CancellationToken);
        if (kind is not (ReplicationKind.Snapshot or ReplicationKind.Table))
            await scene.Client.RefreshAsync(spec.Target, new RefreshOptions { Repull = Repull.All }, cancellationToken: TestContext.Current.CancellationToken);
        var upTo = spec.Cursor is null ? "" : $" WHERE id < {1000 + (int)kind}";
        await scene.Databases.ShouldBeEqualAsync($"SELECT id, w, at FROM orders{upTo}", $"SELECT id, w, at FROM {spec.Target}{upTo}");
        (await scene.Client.ValidateAsync(spec.Target, new ValidationOptions { Checksum = true }, TestContext.Current.CancellationToken)).IsEqual.Should().BeTrue();
        var dropped = await scene.Client.DropAsync(spec.Target, keepTable: false, spec.Kind is ReplicationKind.Dml or ReplicationKind.Logdel ? SourceCleanup.Skip : SourceCleanup.Require, TestContext.Current.CancellationToken);
        await RunAsync(scene.Databases.Source, dropped.SourceStatements);
    }

    private static ReplicationSpec Spec(ReplicationKind kind) => new()
    {
        Kind = kind, From = "erp", Source = QualifiedName.Parse("public.orders"), Destination = QualifiedName.Create("dw", kind.ToString().ToLowerInvariant()),
        Cursor = kind is ReplicationKind.Inserter or ReplicationKind.Updater ? CursorColumn.Serial("id", 0) : null,
    };

    private static Task<AccessResult> CheckAsync(Scene scene, ReplicationKind kind) => scene.Client.CheckAccessAsync(Spec(kind), TestContext.Current.CancellationToken);

    private static async Task RunAsync(TestDatabase database, IEnumerable<string> statements)
    {
        foreach (var statement in statements)
            await database.ExecuteAsync(statement, TestContext.Current.CancellationToken);
    }

    // The two scripts of docs/mimeo.md, with the names of this scene.
    private static (string[] There, string[] Here) Documented(Scene scene)
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "OmniPg.Sdk.sln")))
            folder = Path.GetDirectoryName(folder)!;
        var page = File.ReadAllText(Path.Combine(folder, "docs", "mimeo.md"));
        var scripts = Script().Matches(page[page.IndexOf("## Rights", StringComparison.Ordinal)..]);
        scripts.Should().HaveCount(2);
        return (Statements(scripts[0].Groups[1].Value), Statements(scripts[1].Groups[1].Value));

        string[] Statements(string script) =>
        [
            .. script.Split('\n').Select(line => Comment().Replace(line, "").TrimEnd()
                .Replace("puller", scene.Puller, StringComparison.Ordinal).Replace("keeper", scene.Keeper, StringComparison.Ordinal)
                .Replace("DATABASE shop", $"DATABASE {scene.Databases.Source.Name}", StringComparison.Ordinal).Replace("DATABASE warehouse", $"DATABASE {scene.Databases.Destination.Name}", StringComparison.Ordinal)),
        ];
    }

    [GeneratedRegex("```sql\n(.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Script();

    [GeneratedRegex("\\s*--.*$")]
    private static partial Regex Comment();

    /// <summary>Two databases that give nothing to everybody, a role of each, and a client of the one here.</summary>
    private sealed class Scene(TwoDatabases databases, string puller, string keeper, NpgsqlDataSource dataSource, MimeoClient client, string sourceConnection) : IAsyncDisposable
    {
        public TwoDatabases Databases => databases;

        public string Puller => puller;

        public string Keeper => keeper;

        public MimeoClient Client => client;

        public string SourceConnection => sourceConnection;

        public static async Task<Scene> CreateAsync(PgCluster cluster, string puller, string keeper, Action<MimeoOptions>? configure = null)
        {
            var databases = await TwoDatabases.CreateAsync(cluster);
            var number = Path.GetRandomFileName()[..6];
            (puller, keeper) = ($"{puller}_{number}", $"{keeper}_{number}");
            foreach (var (database, role) in ((TestDatabase, string)[])[(databases.Source, puller), (databases.Destination, keeper)])
            {
                await database.ExecuteAsync($"CREATE ROLE {PgIdentifier.Create(role).Quoted} LOGIN; REVOKE ALL ON DATABASE {database.Name} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC", TestContext.Current.CancellationToken);
                // Only here is the role known that may connect before anything is asked.
                if (role == keeper)
                    await database.ExecuteAsync($"GRANT CONNECT ON DATABASE {database.Name} TO {PgIdentifier.Create(role).Quoted}", TestContext.Current.CancellationToken);
                else if (puller.Contains(' ', StringComparison.Ordinal))
                    await database.ExecuteAsync($"GRANT CONNECT, TEMPORARY ON DATABASE {database.Name} TO PUBLIC", TestContext.Current.CancellationToken);
            }
            var dataSource = NpgsqlDataSource.Create(cluster.GetConnectionString(databases.Destination.Name, keeper));
            var options = new MimeoOptions();
            configure?.Invoke(options);
            return new Scene(databases, puller, keeper, dataSource, new MimeoClient(dataSource, options), cluster.GetConnectionString(databases.Source.Name, puller));
        }

        public async ValueTask DisposeAsync()
        {
            await dataSource.DisposeAsync();
            await databases.DisposeAsync();
        }
    }
}
