using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Converting;

/// <summary>A copy by several sessions: as many as there is room for, each slice once, whoever dies on the way.</summary>
public sealed class SideBySideTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly QualifiedName Orders = QualifiedName.Parse("public.orders");

    private const string Sum = "SELECT count(*) || ' ' || COALESCE(sum(hashtextextended(o::text, 0)::numeric), 0) FROM orders o";

    private const string Waiting = "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND l.locktype = 'transactionid' AND a.datname = current_database()";

    private static ConversionOptions By(int? sessions, int? batch = 50) => new() { Sessions = sessions, BatchSize = batch, Set = new PartitionSetOptions { Control = "id", IdInterval = 100, Premake = 1 } };

    private Task TableAsync() => Run("CREATE TABLE orders (id bigint PRIMARY KEY, note text); CREATE INDEX by_note ON orders (note); INSERT INTO orders SELECT n, 'n' || n FROM generate_series(1, 500) n");

    [Theory]
    [InlineData(3, 100, 150)]
    [InlineData(1, 100, 50)]
    [InlineData(8, 8, 150)]
    [InlineData(8, 3, 50)]
    [InlineData(8, 2, 50)]
    public async Task So_many_sessions_copy_as_are_wished_and_as_the_pool_allows(int wished, int pool, long first)
    {
        await TableAsync();
        await using var source = NpgsqlDataSource.Create($"{Database.ConnectionString};Maximum Pool Size={pool};Timeout=5");
        await FillAsync(source, Math.Min(pool, 8));
        var (before, told) = (await Ask<string>(Sum), new List<long>());

        var done = await new PartmanClient(source).ConvertAsync(Orders, By(wished), new Watch(c =>
        {
            if (c.Step == ConversionStep.Copy)
                told.Add(c.Rows);
        }), Token);

        told[0].Should().Be(first);
        told[^1].Should().Be(500);
        done.RowsCopied.Should().Be(500);
        (await Ask<string>(Sum)).Should().Be(before);
    }

    [Fact]
    public async Task A_pool_of_two_compares_while_nothing_else_is_looked_at()
    {
        await TableAsync();
        await Run("DROP INDEX by_note");
        await using var source = NpgsqlDataSource.Create($"{Database.ConnectionString};Maximum Pool Size=2;Timeout=5");
        await FillAsync(source, 2);
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);

        // As a long ANALYZE does.
        var running = new PartmanClient(source, new PartmanOptions { LockAttempts = 1 }).ConvertAsync(Orders, By(1), new Watch(c =>
        {
            if (transaction is not null || c is not { Step: ConversionStep.Copy, Rows: 500 })
                return;
            transaction = other.BeginTransaction();
            using var hold = new NpgsqlCommand("LOCK TABLE orders_p200 IN SHARE UPDATE EXCLUSIVE MODE", other, transaction);
            hold.ExecuteNonQuery();
        }), Token);
        await Eventually.TrueAsync(async () =>
        {
            if (running.IsCompleted)
                await running;
            return await Ask<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' AND a.query LIKE 'ANALYZE%')");
        }, "the ANALYZE waits", cancellationToken: Token);
        // Whoever asked the pool before this is refused before it.
        await FluentActions.Awaiting(() => source.OpenConnectionAsync(Token).AsTask()).Should().ThrowAsync<NpgsqlException>();
        await transaction!.RollbackAsync(Token);

        (await running).Phase.Should().Be(ConversionPhase.Swapped);
    }

    [Fact]
    public async Task A_slice_whose_session_dies_is_copied_again_and_the_others_are_not()
    {
        await TableAsync();
        var (before, stops) = (await Ask<string>(Sum), Client(o => o.LockAttempts = 1));
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);
        var running = stops.ConvertAsync(Orders, By(3), new Watch(c =>
        {
            if (c.Step != ConversionStep.Create)
                return;
            // The second slice waits for this row.
            transaction = other.BeginTransaction();
            using var insert = new NpgsqlCommand("INSERT INTO orders_omnipg_new VALUES (75, 'in the way')", other, transaction);
            insert.ExecuteNonQuery();
        }), Token);
        const string Wave = "SELECT (SELECT string_agg(w ->> 'isDone', ' ' ORDER BY n) FROM jsonb_array_elements(detail -> 'wave') WITH ORDINALITY AS e (w, n)) || ', ' || (detail ->> 'rows') FROM omnipg_partman.operation";
        await Eventually.TrueAsync(async () => await Ask<bool>($"SELECT EXISTS ({Waiting})") && await Ask<string>(Wave) == "true false true, 100", "the second slice waits, and the others are done", cancellationToken: Token);

        await Run($"SELECT pg_terminate_backend(w.pid) FROM ({Waiting}) w");
        await FluentActions.Awaiting(() => running).Should().ThrowAsync<PartmanServerException>();
        var left = await Ask<string>(Wave);
        await Run("UPDATE orders SET note = 'late' WHERE id IN (10, 75, 140, 400)");
        var written = await Ask<string>(Sum);
        await transaction!.RollbackAsync(Token);
        var done = await Partman.ResumeConversionAsync((await Partman.ListConversionsAsync(Token)).Single().Id, cancellationToken: Token);

        left.Should().Be("true false true, 100");
        done.Should().Match<Conversion>(c => c.Phase == ConversionPhase.Swapped && c.RowsCopied == 500);
        (await Ask<string>(Sum)).Should().Be(written).And.NotBe(before);
    }

    [Fact]
    public async Task The_last_slice_of_a_copy_that_was_cut_off_does_not_grow_with_the_table()
    {
        await TableAsync();
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);
        var running = Client(o => o.LockAttempts = 1).ConvertAsync(Orders, By(2, 300), new Watch(c =>
        {
            if (c.Step != ConversionStep.Create)
                return;
            // The slice from 301 to the end waits for this row.
            transaction = other.BeginTransaction();
            using var insert = new NpgsqlCommand("INSERT INTO orders_omnipg_new VALUES (450, 'in the way')", other, transaction);
            insert.ExecuteNonQuery();
        }), Token);
        await Eventually.TrueAsync(async () => await Ask<bool>($"SELECT EXISTS ({Waiting})") && await Ask<string>("SELECT detail #>> '{wave,0,isDone}' FROM omnipg_partman.operation") == "true", "the last slice waits, and the other is done", cancellationToken: Token);
        await Run($"SELECT pg_terminate_backend(w.pid) FROM ({Waiting}) w");
        await FluentActions.Awaiting(() => running).Should().ThrowAsync<PartmanServerException>();
        await transaction!.RollbackAsync(Token);
        await Run("INSERT INTO orders SELECT n, 'n' || n FROM generate_series(501, 2500) n");
        var (before, told) = (await Ask<string>(Sum), new List<long>());

        var done = await Partman.ResumeConversionAsync((await Partman.ListConversionsAsync(Token)).Single().Id, new Watch(c =>
        {
            if (c.Step == ConversionStep.Copy)
                told.Add(c.Rows);
        }), Token);

        told.Should().Equal(600, 1200, 1800, 2400, 2500);
        done.RowsCopied.Should().Be(2500);
        (await Ask<string>(Sum)).Should().Be(before);
    }

    [Fact]
    public async Task Sessions_that_the_pool_has_no_more_leave_their_slices_to_one_that_it_has()
    {
        await TableAsync();
        await using var source = NpgsqlDataSource.Create($"{Database.ConnectionString};Maximum Pool Size=8;Timeout=5");
        await FillAsync(source, 8);
        await using var other = await Database.DataSource.OpenConnectionAsync(Token);
        var (before, held, told, transaction) = (await Ask<string>(Sum), new List<NpgsqlConnection>(), new List<long>(), default(NpgsqlTransaction));
        var running = new PartmanClient(source, new PartmanOptions { LockAttempts = 1 }).ConvertAsync(Orders, By(8), new Watch(c =>
        {
            if (c.Step != ConversionStep.Copy)
                return;
            told.Add(c.Rows);
            if (told.Count > 1)
                return;
            // The first slice of the next wave waits for this row, with the only connection that is left.
            transaction = other.BeginTransaction();
            using var insert = new NpgsqlCommand("INSERT INTO orders_omnipg_new VALUES (175, 'in the way')", other, transaction);
            insert.ExecuteNonQuery();
            try
            {
                while (true)
                    held.Add(source.OpenConnection());
            }
            catch (NpgsqlException)
            {
                held[^1].Dispose();
            }
        }), Token);
        await Eventually.TrueAsync(() => Ask<bool>($"SELECT EXISTS ({Waiting})"), "the first slice waits", cancellationToken: Token);
        // The others ask the pool since then, and are refused before this is.
        await FluentActions.Awaiting(() => source.OpenConnectionAsync(Token).AsTask()).Should().ThrowAsync<NpgsqlException>();
        held.ForEach(h => h.Dispose());
        await transaction!.RollbackAsync(Token);

        (await running).RowsCopied.Should().Be(500);
        told.Should().Equal(150, 300, 450, 500);
        (await Ask<string>(Sum)).Should().Be(before);
    }

    [Fact]
    public async Task Failures_of_a_copy_that_goes_on_do_not_add_up()
    {
        await TableAsync();
        await using var source = NpgsqlDataSource.Create($"{Database.ConnectionString};Application Name=added_up");
        var before = await Ask<string>(Sum);

        var done = await new PartmanClient(source, new PartmanOptions { LockAttempts = 6, MaxBackoff = TimeSpan.FromMilliseconds(60) }).ConvertAsync(Orders, By(1), new Watch(c =>
        {
            if (c.Step == ConversionStep.Copy)
                Sync("SELECT pg_terminate_backend(a.pid, 5000) FROM pg_stat_activity a WHERE a.application_name = 'added_up' AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')");
        }), Token);

        done.RowsCopied.Should().Be(500);
        (await Ask<string>(Sum)).Should().Be(before);
    }

    [Theory]
    [InlineData(1, "orders_p0_note_idx", "orders_p100_note_idx")]
    [InlineData(3, "orders_p0_note_idx", "orders_p100_note_idx", "orders_p300_note_idx", "orders_p400_note_idx")]
    public async Task An_index_is_built_partition_by_partition_and_what_is_built_is_not_built_again(int sessions, params string[] beforeIt)
    {
        await TableAsync();
        await Run("""
            CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d WHERE d.object_identity = 'public.orders_p200_note_idx') THEN RAISE EXCEPTION 'not yet'; END IF; END $$;
            CREATE EVENT TRIGGER refusing ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION refuse();
            """);
        const string Built = "SELECT array_agg(i.indexrelid::regclass || ' ' || i.indexrelid || ' ' || i.indisvalid ORDER BY i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname ~ '^orders_p.*note_idx$'";

        await Partman.Awaiting(p => p.ConvertAsync(Orders, By(sessions), cancellationToken: Token)).Should().ThrowAsync<PartmanServerException>();
        var some = await Ask<string[]>(Built);
        await Run("DROP EVENT TRIGGER refusing");
        await Partman.ResumeConversionAsync((await Partman.ListConversionsAsync(Token)).Single().Id, cancellationToken: Token);

        some.Select(s => s.Split(' ')[0]).Should().BeEquivalentTo(beforeIt);
        (await Ask<string[]>(Built)).Should().StartWith(some).And.HaveCount(7).And.OnlyContain(s => s.EndsWith(" true", StringComparison.Ordinal));
        (await Ask<string>("SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'orders'::regclass")).Should().Be("by_note true, orders_pkey true");
        (await Ask<long>("SELECT count(*) FROM pg_inherits WHERE inhparent = 'by_note'::regclass")).Should().Be(8);
    }

    [Fact]
    public async Task Whoever_goes_on_waits_for_a_slice_that_is_still_being_copied()
    {
        await TableAsync();
        await StopInCopyAsync();
        await using var orphan = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await HoldAsync(orphan);

        var running = Partman.ResumeConversionAsync((await Partman.ListConversionsAsync(Token)).Single().Id, cancellationToken: Token);
        await Eventually.TrueAsync(() => Ask<bool>($"SELECT EXISTS ({Waiting} AND a.query LIKE '%FOR UPDATE%')"), "the copy waits", cancellationToken: Token);
        await transaction.RollbackAsync(Token);

        (await running).RowsCopied.Should().Be(500);
    }

    [Fact]
    public async Task A_slice_that_does_not_end_is_waited_for_as_long_as_for_a_lock_and_its_session_is_named()
    {
        await TableAsync();
        await StopInCopyAsync();
        await using var orphan = await Database.DataSource.OpenConnectionAsync(Token);
        await using var transaction = await HoldAsync(orphan);

        var open = (await Partman.ListConversionsAsync(Token)).Single();
        var refused = (await Partman.Awaiting(p => p.ResumeConversionAsync(open.Id, cancellationToken: Token)).Should().ThrowAsync<PartitionLockTimeoutException>()).Which;

        refused.Message.Should().StartWith("'wait-for-slices' on 'public.orders' did not get its locks in 3 attempts of 0.2 s");
        refused.Holders.Select(h => h.ProcessId).Should().Equal(orphan.ProcessID);
    }

    [Fact]
    public async Task Values_of_every_type_are_compared_as_they_are_and_indexes_that_are_not_unique_come_behind_the_copy()
    {
        await Run("""
            CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN short AS text CHECK (length(VALUE) < 5); CREATE TYPE pair AS (a int, b text);
            CREATE TABLE orders (id bigint PRIMARY KEY, n numeric, f float8, j json, b jsonb, m mood, s short, p pair, i int[], r int4range, c char(4), y bytea, x xml, u uuid, acl aclitem, d date, t timestamptz, v interval, q money, g point);
            CREATE INDEX by_n ON orders (n); CREATE INDEX by_text ON orders (lower(s)) WHERE m = 'sad';
            INSERT INTO orders SELECT n, (n || '.50')::numeric, '-0.0', '{"a" : 1}', '{"a" : 1}', 'sad', 's' || n, ROW(n, NULL)::pair, ARRAY[n, NULL], int4range(n, n + 5), 'a', '\x00ff', '<a/>', md5(n::text)::uuid, 'postgres=r/postgres', 'infinity', '2026-01-01', '1 mon', 1, '(1,2)' FROM generate_series(1, 120) n;
            INSERT INTO orders (id) VALUES (121);
            """);
        var (before, built) = (await Ask<string>(Sum), new Dictionary<ConversionStep, long>());
        const string Indexes = "SELECT count(*) FROM pg_index WHERE indrelid = 'orders_omnipg_new'::regclass";

        await Partman.ConvertAsync(Orders, By(2), new Watch(c =>
        {
            if (c.Step is ConversionStep.Copy or ConversionStep.Verify)
                built.TryAdd(c.Step, Database.ScalarAsync<long>(Indexes, Token).GetAwaiter().GetResult());
        }), Token);

        (await Ask<string>(Sum)).Should().Be(before);
        built.Should().Equal(new Dictionary<ConversionStep, long> { [ConversionStep.Copy] = 1, [ConversionStep.Verify] = 3 });
        (await Ask<string[]>("SELECT array_agg(indexrelid::regclass::text ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'orders'::regclass AND indisvalid")).Should().Equal("by_n", "by_text", "orders_pkey");
    }

    [Theory]
    [InlineData("n = 1.0", "n = 1.00")]
    [InlineData("f = 0.0", "f = '-0.0'")]
    [InlineData("i = '{1}'", "i = '{2}'")]
    [InlineData("t = NULL", "t = ''")]
    public async Task A_difference_that_equality_does_not_see_is_found(string inTable, string inCopy)
    {
        await Run($"CREATE TABLE orders (id bigint PRIMARY KEY, n numeric, f float8, i int[], t text); INSERT INTO orders SELECT n FROM generate_series(1, 20) n; UPDATE orders SET {inTable} WHERE id = 7");

        await Partman.Awaiting(p => p.ConvertAsync(Orders, By(2), new Watch(c =>
        {
            if (c.Step == ConversionStep.Copy)
                Sync($"UPDATE orders_omnipg_new SET {inCopy} WHERE id = 7");
        }), Token)).Should().ThrowAsync<ConversionVerificationException>();

        (await Ask<string>("SELECT relkind::text FROM pg_class WHERE oid = 'orders'::regclass")).Should().Be("r");
    }

    [Fact]
    public async Task Two_rows_that_exchange_a_value_are_a_difference()
    {
        await TableAsync();

        await Partman.Awaiting(p => p.ConvertAsync(Orders, By(2), new Watch(c =>
        {
            if (c is { Step: ConversionStep.Copy, Rows: 500 })
                Sync("UPDATE orders_omnipg_new SET note = CASE id WHEN 7 THEN 'n8' ELSE 'n7' END WHERE id IN (7, 8)");
        }), Token)).Should().ThrowAsync<ConversionVerificationException>();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(33)]
    public Task A_number_of_sessions_that_makes_no_sense_is_refused(int sessions) => Partman.Awaiting(p => p.PlanConversionAsync(Orders, By(sessions), Token))
        .Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>().WithMessage($"*Sessions '{sessions}'*");

    [Fact]
    public void A_slice_grows_to_what_its_time_allows_and_shrinks_again_and_a_wish_counts_for_more()
    {
        var (free, wished) = (new CopyPace(null), new CopyPace(300));

        wished.Took(300_000, TimeSpan.FromSeconds(9));
        free.Took(10_000, TimeSpan.FromSeconds(0.1));
        var grown = free.Rows;
        free.Took(40_000, TimeSpan.Zero);
        var most = free.Rows;
        free.Took(160_000, TimeSpan.FromSeconds(100));
        var shrunk = free.Rows;
        free.Took(7, TimeSpan.FromSeconds(5));

        wished.Rows.Should().Be(300);
        grown.Should().Be(40_000);
        most.Should().Be(160_000);
        shrunk.Should().Be(40_000);
        free.Rows.Should().Be(40_000, "the last slice of a table says nothing");
    }

    private sealed class Watch(Action<ConversionProgress> act) : IProgress<ConversionProgress>
    {
        public void Report(ConversionProgress value) => act(value);
    }

    private async Task StopInCopyAsync()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await Partman.Awaiting(p => p.ConvertAsync(Orders, By(2), new Watch(c =>
        {
            if (c.Step == ConversionStep.Copy)
                stop.Cancel();
        }), stop.Token)).Should().ThrowAsync<OperationCanceledException>();
    }

    // As a backend does it whose client was killed.
    private static async Task<NpgsqlTransaction> HoldAsync(NpgsqlConnection orphan)
    {
        var transaction = await orphan.BeginTransactionAsync(Token);
        await using var hold = new NpgsqlCommand("SELECT id FROM omnipg_partman.operation FOR KEY SHARE", orphan, transaction);
        await hold.ExecuteNonQueryAsync(Token);
        return transaction;
    }
}
