using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Archiving;

/// <summary>A partition is dropped when its archive is durable, whole and there, and comes back equal.</summary>
public sealed class ArchiveTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Manifest = "public.gone.manifest.json";
    private const string Data = "public.gone.copy.zst";

    // Every row of the table as text, in order.
    private const string Content = "SELECT md5(string_agg(t::text, E'\\n' ORDER BY id)) FROM gone t";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_retired_partition_is_archived_and_dropped_and_comes_back_equal(bool withDefault)
    {
        using var folder = new TemporaryDirectory();
        var client = await CreateAsync(new DirectoryObjectStore(folder.Path), withDefault);
        var before = await Ask<string>(Content);

        var plan = await client.PlanMaintenanceAsync(Only(Events), Token);
        var result = await MaintainAsync(client: client);

        plan.Sql.DestroysData.Should().BeTrue();
        plan.Sql.Steps[^1].Description.Should().Be($"copy 'public.gone' to 'directory:{folder.Path}', read it back, compare, and drop the table");
        result.Error.Should().BeNull();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Archive));
        (await LeftAsync()).Should().Be(0);
        Directory.GetFiles(folder.Path).Select(f => Path.GetFileName(f)!).Should().BeEquivalentTo(Manifest, Data);
        (await Ask<string>("SELECT kind || ' ' || (finished_at IS NOT NULL) FROM omnipg_partman.operation")).Should().Be("archive true");

        var back = await client.RestoreAsync(Manifest, cancellationToken: Token);

        back.Should().Be(new RestoreResult(QualifiedName.Parse("public.gone"), PartitionBound.Of(new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero)), PartitionBound.Of(new DateTimeOffset(2020, 1, 2, 0, 0, 0, TimeSpan.Zero)), 1000));
        (await Ask<string>(Content)).Should().Be(before);
        (await Ask<string>("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'gone'")).Should().Contain("2020-01-02");
        (await Ask<long>("SELECT count(*) FROM pg_constraint WHERE conrelid = 'gone'::regclass AND contype = 'c'")).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM pg_index WHERE indrelid = 'gone'::regclass AND indisvalid")).Should().Be(1);
        (await LeftAsync()).Should().Be(0);
    }

    [Fact]
    public async Task A_partition_that_begins_nowhere_is_archived_and_comes_back_equal()
    {
        var client = await CreateAsync(new MemoryObjectStore(), withDefault: true);
        await Run("ALTER TABLE events DETACH PARTITION gone; ALTER TABLE events ATTACH PARTITION gone FOR VALUES FROM (MINVALUE) TO ('2020-01-02Z')");
        var before = await Ask<string>(Content);

        var result = await MaintainAsync(client: client);
        var back = await client.RestoreAsync(Manifest, cancellationToken: Token);

        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Archive));
        back.Rows.Should().Be(1000);
        (await Ask<string>(Content)).Should().Be(before);
        (await Ask<string>("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'gone'")).Should().StartWith("FOR VALUES FROM (MINVALUE) TO ('2020-01-02");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whatever_call_of_the_store_a_run_fails_or_is_cancelled_at_no_row_is_lost(bool cancels)
    {
        var memory = new MemoryObjectStore();
        var store = new TroubledStore(memory);
        var client = await CreateAsync(store, withDefault: false);
        var before = await Ask<string>(Content);
        var calls = new List<string>();

        var isWritten = false;
        for (var at = 0; ; at++)
        {
            using var cancelled = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var (start, hit) = (store.Calls, "");
            store.Before = async (number, call) =>
            {
                if (number - start != at)
                    return;
                hit = call;
                if (cancels)
                    await cancelled.CancelAsync();
                throw cancels ? new OperationCanceledException(cancelled.Token) : new IOException("No space left on device");
            };
            var act = async () => (await client.MaintainAsync(Only(Events), cancellationToken: cancelled.Token)).Sets.Single();
            if (hit is "" && !cancels)
                (await act()).Error?.Should().BeOfType<PartmanArchiveException>();
            else if (await Record.ExceptionAsync(act) is { } error)
                error.Should().BeAssignableTo<OperationCanceledException>();
            if (hit is "")
                break;
            calls.Add(hit);
            (await LeftAsync()).Should().Be(1, hit);
            // From here on a run is shorter: it goes on behind the manifest.
            if (!isWritten && hit == "committed " + Manifest)
                (isWritten, at) = (true, -1);
        }

        calls.Should().Contain("write " + Data).And.Contain("commit " + Data).And.Contain("committed " + Data).And.Contain("committed " + Manifest).And.Contain("read " + Manifest);
        (await LeftAsync()).Should().Be(0);
        store.Before = (_, _) => Task.CompletedTask;
        var manifests = await memory.ListAsync("", Token).Select(e => e.Key).Where(k => k.EndsWith(".json", StringComparison.Ordinal)).ToListAsync(Token);
        await client.RestoreAsync(manifests.Order(StringComparer.Ordinal).First(), cancellationToken: Token);
        (await Ask<string>(Content)).Should().Be(before);
    }

    [Fact]
    public async Task While_the_archive_is_written_and_read_back_nobody_adds_a_row_that_would_go_with_the_table()
    {
        var store = new TroubledStore(new MemoryObjectStore());
        var client = await CreateAsync(store, withDefault: true);
        var refused = new List<string?>();
        store.Before = async (_, call) =>
        {
            if (call == "commit " + Data || call == "read " + Data || call == "committed " + Manifest)
                refused.Add((await Record.ExceptionAsync(async () => await Run($"SET lock_timeout = '100ms'; INSERT INTO {await AsideAsync()} (id, at) VALUES (5000, '2020-01-01 23:00Z')")) as Npgsql.PostgresException)?.SqlState);
        };

        var result = await MaintainAsync(client: client);
        store.Before = (_, _) => Task.CompletedTask;

        result.Error.Should().BeNull();
        refused.Should().Equal("55P03", "55P03", "55P03");
        (await client.RestoreAsync(Manifest, cancellationToken: Token)).Rows.Should().Be(1000);
    }

    [Fact]
    public async Task A_row_that_comes_behind_the_archive_of_a_run_that_was_cut_off_keeps_the_table_and_is_archived_anew()
    {
        var store = new TroubledStore(new MemoryObjectStore());
        var client = await CreateAsync(store, withDefault: true);
        store.Before = (_, call) => call == "committed " + Manifest ? throw new IOException("killed here") : Task.CompletedTask;
        (await MaintainAsync(client: client)).Error.Should().BeOfType<PartmanArchiveException>();
        store.Before = (_, _) => Task.CompletedTask;
        await Run($"INSERT INTO {await AsideAsync()} (id, at) VALUES (5000, '2020-01-01 23:00Z')");

        var late = await MaintainAsync(client: client);
        var next = await MaintainAsync(client: client);

        late.Error.Should().BeOfType<PartmanArchiveException>().Which.Message.Should().Contain("1001 rows");
        next.Error.Should().BeNull();
        (await LeftAsync()).Should().Be(0);
        (await client.RestoreAsync("public.gone.2.manifest.json", cancellationToken: Token)).Rows.Should().Be(1001);
        (await Ask<long>("SELECT count(*) FROM events WHERE id = 5000")).Should().Be(1);
    }

    [Fact]
    public async Task An_archive_that_was_damaged_before_the_drop_keeps_the_table_and_is_written_anew()
    {
        using var folder = new TemporaryDirectory();
        var store = new TroubledStore(new DirectoryObjectStore(folder.Path));
        var client = await CreateAsync(store, withDefault: false);
        store.Before = (_, call) => call == "committed " + Manifest ? throw new IOException("killed here") : Task.CompletedTask;
        (await MaintainAsync(client: client)).Error.Should().BeOfType<PartmanArchiveException>();
        store.Before = (_, _) => Task.CompletedTask;
        var file = Path.Combine(folder.Path, Data);
        var bytes = await File.ReadAllBytesAsync(file, Token);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, Token);

        var damaged = await MaintainAsync(client: client);
        var anew = await MaintainAsync(client: client);

        damaged.Error.Should().BeOfType<PartmanArchiveException>().Which.Message.Should().Contain(Data);
        anew.Error.Should().BeNull();
        (await LeftAsync()).Should().Be(0);
        await FluentActions.Awaiting(() => client.RestoreAsync(Manifest, cancellationToken: Token)).Should().ThrowAsync<PartmanArchiveException>();
        (await LeftAsync()).Should().Be(0);
        (await client.RestoreAsync("public.gone.2.manifest.json", cancellationToken: Token)).Rows.Should().Be(1000);
    }

    [Fact]
    public async Task A_disk_that_is_full_keeps_the_table_until_there_is_room()
    {
        using var disk = TmpfsMount.TryCreate(96 * 1024);
        Assert.SkipWhen(disk is null, "Mounting is not permitted here.");
        var client = await CreateAsync(new DirectoryObjectStore(disk.Path), withDefault: false);
        await File.WriteAllBytesAsync(Path.Combine(disk.Path, "ballast"), new byte[88 * 1024], Token);

        var full = await MaintainAsync(client: client);
        File.Delete(Path.Combine(disk.Path, "ballast"));
        var next = await MaintainAsync(client: client);

        full.Error.Should().BeOfType<PartmanArchiveException>();
        next.Error.Should().BeNull();
        (await client.RestoreAsync(Manifest, cancellationToken: Token)).Rows.Should().Be(1000);
    }

    [Fact]
    public async Task A_client_without_the_sets_archive_retires_nothing()
    {
        await CreateAsync(new MemoryObjectStore(), withDefault: false);

        var without = await MaintainAsync();
        var other = await MaintainAsync(client: Client(new MemoryObjectStore("other")));

        without.Error.Should().BeOfType<PartmanArchiveException>().Which.Message.Should().StartWith("'public.events' is archived in 'memory:default', and this client has no archive.");
        other.Error.Should().BeOfType<PartmanArchiveException>();
        (await NamesAsync()).Should().Contain("gone");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_partition_that_a_killed_run_left_without_autovacuum_is_still_known_when_its_archive_is_tried_again(bool isLate)
    {
        var store = new TroubledStore(new MemoryObjectStore());
        var client = await CreateAsync(store, withDefault: false);
        await Run("""
            ALTER TABLE gone SET (autovacuum_enabled = false);
            INSERT INTO omnipg_partman.operation (parent_table, child, child_name, kind, phase, detail)
            VALUES ('public.events', 'gone'::regclass, 'gone', 'autovacuum', 'Suspended', jsonb_build_object('set', '"public"."events"', 'own', NULL, 'toast', NULL));
            CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF current_query() LIKE '%autovacuum_enabled%' THEN RAISE insufficient_privilege; END IF; END $$;
            """);
        // Where it is given back late, the table is set aside by then.
        if (isLate)
            await Run("CREATE EVENT TRIGGER refusing ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refuse()");
        store.Before = (_, _) => throw new IOException("unreachable");
        (await MaintainAsync(client: client)).Error.Should().BeOfType<PartmanArchiveException>();
        (await Ask<bool>("SELECT EXISTS (SELECT FROM omnipg_partman.operation WHERE kind = 'autovacuum')")).Should().Be(isLate);
        await Run("DROP EVENT TRIGGER IF EXISTS refusing");
        store.Before = (_, _) => Task.CompletedTask;

        var again = await MaintainAsync(client: client);

        again.Error.Should().BeNull();
        again.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(("gone", PartitionFate.Archive));
        (await LeftAsync()).Should().Be(0);
    }

    [Fact]
    public async Task A_set_that_archives_no_more_gets_the_table_that_was_set_aside_back_under_its_name()
    {
        var store = new TroubledStore(new MemoryObjectStore());
        var client = await CreateAsync(store, withDefault: false);
        store.Before = (_, _) => throw new IOException("unreachable");
        (await MaintainAsync(client: client)).Error.Should().BeOfType<PartmanArchiveException>();
        await Run("UPDATE omnipg_partman.part_config SET retention = NULL");

        var result = await MaintainAsync();

        result.Error.Should().BeNull();
        result.Changes.Select(c => (c.Partition.Name.Value, c.Fate)).Should().Equal(($"omnipg_archive_{await Ask<uint>("SELECT 'gone'::regclass::oid")}", PartitionFate.Detach));
        (await Ask<long>("SELECT count(*) FROM gone")).Should().Be(1000);
    }

    [Fact]
    public async Task A_set_with_a_table_that_waits_for_its_archive_is_not_undone_before()
    {
        var store = new TroubledStore(new MemoryObjectStore());
        var client = await CreateAsync(store, withDefault: false);
        store.Before = (_, _) => throw new IOException("unreachable");
        (await MaintainAsync(client: client)).Error.Should().BeOfType<PartmanArchiveException>();
        await Run("CREATE TABLE plain (LIKE events INCLUDING ALL)");
        var undo = () => client.UndoAsync(Events, QualifiedName.Parse("public.plain"), cancellationToken: Token);

        (await undo.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Message.Should().Contain("The retirement of 'public.gone' was interrupted");
        store.Before = (_, _) => Task.CompletedTask;
        (await MaintainAsync(client: client)).Error.Should().BeNull();

        (await undo()).Rows.Should().Be(0);
        (await LeftAsync()).Should().Be(0);
    }

    [Fact]
    public async Task A_set_that_is_forgotten_gives_a_table_that_waits_for_its_archive_its_name_back()
    {
        var store = new TroubledStore(new MemoryObjectStore());
        var client = await CreateAsync(store, withDefault: false);
        store.Before = (_, _) => throw new IOException("unreachable");
        (await MaintainAsync(client: client)).Error.Should().BeOfType<PartmanArchiveException>();
        (await LeftAsync()).Should().Be(1);
        await Run("CREATE TABLE gone ()");

        var taken = (await Partman.Awaiting(p => p.ForgetAsync(Events, Token)).Should().ThrowAsync<PartitionSetConfigurationException>()).Which;
        (await Partman.FindAsync(Events, Token)).Should().NotBeNull();
        await Run("DROP TABLE gone");
        var forgotten = await Partman.ForgetAsync(Events, Token);

        taken.Message.Should().Contain("which was 'public.gone' until its retirement was interrupted");
        forgotten.Should().BeTrue();
        (await LeftAsync()).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM gone")).Should().Be(1000);
        (await Ask<long>("SELECT count(*) FROM omnipg_partman.operation")).Should().Be(0);
    }

    [Fact]
    public async Task An_archive_does_not_come_back_where_a_partition_is_or_a_name_is_taken()
    {
        var client = await CreateAsync(new MemoryObjectStore(), withDefault: false);
        (await MaintainAsync(client: client)).Error.Should().BeNull();
        var restore = () => client.RestoreAsync(Manifest, cancellationToken: Token);

        await Run("CREATE TABLE wide PARTITION OF events FOR VALUES FROM ('2019-01-01') TO ('2020-01-01 00:00:01Z')");
        await restore.Should().ThrowAsync<PartitionOverlapException>();
        await Run("DROP TABLE wide; CREATE TABLE gone ()");
        await restore.Should().ThrowAsync<PartitionNameCollisionException>();
        await FluentActions.Awaiting(() => client.RestoreAsync("nothing.manifest.json", cancellationToken: Token)).Should().ThrowAsync<PartmanArchiveException>();

        (await LeftAsync()).Should().Be(0);
    }

    private Task<string> AsideAsync() => Ask<string>("SELECT relname::text FROM pg_class WHERE relname LIKE 'omnipg_archive_%' AND relkind = 'r'");

    // Tables that an archive or a restore has under a name of its own.
    private Task<long> LeftAsync() => Ask<long>("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND (relname LIKE 'omnipg_archive_%' OR relname LIKE 'omnipg_restore_%')");

    private PartmanClient Client(IObjectStore store) =>
        new(Database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromMilliseconds(200), LockAttempts = 3, MaxBackoff = TimeSpan.FromMilliseconds(100) }, archive: store);

    private async Task<PartmanClient> CreateAsync(IObjectStore store, bool withDefault)
    {
        await Run("""
            CREATE TABLE events (id bigint, at timestamptz NOT NULL, note text, amount numeric(20,5), ratio double precision, raw bytea, more jsonb, span interval, tags text[],
                "odd ""name" date, twice bigint GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)
            """);
        var client = Client(store);
        await client.CreateAsync(Events, Daily(o => (o.Retention, o.WhenExpired, o.DefaultPartition) = (PgInterval.OfDays(30), ExpiredAction.Archive, withDefault)), Token);
        await Run("""
            CREATE TABLE gone PARTITION OF events FOR VALUES FROM ('2020-01-01Z') TO ('2020-01-02Z');
            INSERT INTO events SELECT i, timestamptz '2020-01-01 00:00Z' + i * interval '1 minute 0.000001 s', CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN E'a\tb\nc\\d' WHEN 2 THEN 'ünïcode \N' ELSE repeat(md5(i::text), i % 30) END,
                i / 7.0, 1.0 / i, decode(md5(i::text), 'hex'), jsonb_build_object('i', i, 'q', '"'), i * interval '1 month 1.5 s', ARRAY['x', NULL, 'y,"'], date '2020-02-29' + i
            FROM generate_series(1, 1000) i
            """);
        return client;
    }
}
