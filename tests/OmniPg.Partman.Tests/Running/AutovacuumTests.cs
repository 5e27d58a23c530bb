using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Running;

/// <summary>Autovacuum leaves tables alone whose rows move, and never longer than that.</summary>
public sealed class AutovacuumTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly QualifiedName Orders = QualifiedName.Parse("public.orders");
    private static readonly QualifiedName Plain = QualifiedName.Parse("public.plain");

    private const string Set =
        "SELECT COALESCE(array_agg(c.relname || ' ' || concat_ws(',', (SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = 'autovacuum_enabled'), (SELECT option_value FROM pg_options_to_table(t.reloptions) WHERE option_name = 'autovacuum_enabled')) ORDER BY c.relname), '{}') "
        + "FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND (c.reloptions::text LIKE '%autovacuum_enabled%' OR t.reloptions::text LIKE '%autovacuum_enabled%')";

    private const string Noted = "SELECT count(*) FROM omnipg_partman.operation WHERE kind = 'autovacuum'";

    // Partitions take the storage parameters of the table, the default one does not.
    private static readonly string[] Begun = ["orders true", "orders_p0 true", "orders_p100 true"];
    private static readonly string[] Swapped = ["orders_omnipg_old true", "orders_p0 true", "orders_p100 true"];

    private Task TableAsync() => Run("CREATE TABLE orders (id bigint PRIMARY KEY, note text) WITH (fillfactor = 80, autovacuum_enabled = true); INSERT INTO orders SELECT n, 'n' || n FROM generate_series(1, 45) n");

    private static ConversionOptions Hundreds(ConversionStrategy strategy = ConversionStrategy.CopyAndSwap) =>
        new() { Strategy = strategy, BatchSize = strategy == ConversionStrategy.CopyAndSwap ? 10 : null, SuspendAutovacuum = true, Set = new PartitionSetOptions { Control = "id", IdInterval = 100, Premake = 1 } };

    [Theory]
    [InlineData(ConversionStrategy.CopyAndSwap)]
    [InlineData(ConversionStrategy.DrainDefault)]
    public async Task It_is_off_while_a_conversion_moves_rows_and_every_table_has_its_own_setting_back(ConversionStrategy strategy)
    {
        await TableAsync();
        string[]? meanwhile = null;

        await Partman.ConvertAsync(Orders, Hundreds(strategy), new Watch(c =>
        {
            if (c.Step is ConversionStep.Copy or ConversionStep.Drain)
                meanwhile ??= Database.ScalarAsync<string[]>(Set, Token).GetAwaiter().GetResult();
        }), Token);

        meanwhile.Should().Contain(strategy == ConversionStrategy.CopyAndSwap ? ["orders false,false", "orders_default false,false", "orders_p0 false,false"] : ["orders_default false,false"]);
        (await Ask<string[]>(Set)).Should().Equal(strategy == ConversionStrategy.CopyAndSwap ? Swapped : ["orders_default true"]);
        (await Ask<long>("SELECT count(*) FROM pg_class WHERE relname ~ '^orders' AND relkind = 'r' AND 'fillfactor=80' = ANY (reloptions)")).Should().BePositive();
        (await Ask<long>(Noted)).Should().Be(0);
    }

    [Fact]
    public async Task A_conversion_that_is_paused_gives_the_settings_back_and_takes_them_again()
    {
        await TableAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await Partman.Awaiting(p => p.ConvertAsync(Orders, Hundreds(), new Watch(c => Stop(c, ConversionStep.Copy, stop)), stop.Token)).Should().ThrowAsync<OperationCanceledException>();
        var (paused, open) = (await Ask<string[]>(Set), (await Partman.ListConversionsAsync(Token)).Single());
        string[]? again = null;

        await Partman.ResumeConversionAsync(open.Id, new Watch(_ => again ??= Database.ScalarAsync<string[]>(Set, Token).GetAwaiter().GetResult()), Token);

        paused.Should().Equal(Begun);
        again.Should().Contain("orders false,false");
        (await Ask<string[]>(Set)).Should().Equal(Swapped);
    }

    /// <summary>Ends a conversion at its copy, and keeps it from giving the settings back, as kill -9 does.</summary>
    private async Task<long> LeaveAsync()
    {
        await TableAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);
        await Partman.Awaiting(p => p.ConvertAsync(Orders, Hundreds(), new Watch(c =>
        {
            if (c.Step != ConversionStep.Copy)
                return;
            transaction = holder.BeginTransaction();
            using var hold = new NpgsqlCommand("LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction);
            hold.ExecuteNonQuery();
            throw new TimeoutException();
        }), Token)).Should().ThrowAsync<TimeoutException>();
        await transaction!.RollbackAsync(Token);
        (await Ask<string[]>(Set)).Should().Contain("orders false,false");
        (await Ask<long>(Noted)).Should().BePositive();
        return (await Partman.ListConversionsAsync(Token)).Single().Id;
    }

    [Theory]
    [InlineData("resume")]
    [InlineData("abort")]
    [InlineData("maintain")]
    public async Task What_a_process_left_that_was_killed_is_given_back_by_whoever_comes_next(string next)
    {
        var id = await LeaveAsync();
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);

        if (next == "resume")
            await Partman.ResumeConversionAsync(id, cancellationToken: Token);
        else if (next == "abort")
            await Partman.AbortConversionAsync(id, Token);
        else
            await Partman.MaintainAsync(Only(Events), cancellationToken: Token);

        (await Ask<string[]>(Set)).Should().Equal(next switch { "resume" => Swapped, "abort" => ["orders true"], _ => Begun });
        (await Ask<long>(Noted)).Should().Be(0);
    }

    private static async Task PauseAsync(PartmanClient partman, Action meanwhile)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await partman.Awaiting(p => p.ConvertAsync(Orders, Hundreds(), new Watch(c =>
        {
            if (c.Step != ConversionStep.Copy)
                return;
            meanwhile();
            stop.Cancel();
        }), stop.Token)).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task A_table_that_somebody_holds_keeps_neither_the_others_nor_the_next_call_and_is_told()
    {
        await TableAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);
        await PauseAsync(Partman, () =>
        {
            // As a long VACUUM does.
            transaction = holder.BeginTransaction();
            using var hold = new NpgsqlCommand("LOCK TABLE orders_p0 IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction);
            hold.ExecuteNonQuery();
        });
        var left = await Ask<string[]>(Set);

        (await Partman.ForgetAsync(Orders, Token)).Should().BeFalse("it is no set yet, and was asked for all the same");
        var told = (await Partman.CheckAsync(Token)).Findings.Single(f => f.Kind == FindingKind.Autovacuum);
        await transaction!.RollbackAsync(Token);

        left.Should().Equal("orders true", "orders_p0 false,false", "orders_p100 true");
        (told.Table, told.Level).Should().Be(("public.orders", FindingLevel.Warning));
        var remedy = told.Text[told.Text.IndexOf("ALTER TABLE", StringComparison.Ordinal)..];
        remedy.Should().Be("ALTER TABLE public.orders_p0 SET (autovacuum_enabled = 'true'), RESET (toast.autovacuum_enabled);");
        await Run(remedy);
        (await Ask<string[]>(Set)).Should().Equal(Begun);
        (await Partman.CheckAsync(Token)).Findings.Should().NotContain(f => f.Kind == FindingKind.Autovacuum);
        await Partman.MaintainAsync(cancellationToken: Token);
        (await Ask<string[]>(Set)).Should().Equal(Begun);
        (await Ask<long>(Noted)).Should().Be(0);
    }

    [Fact]
    public async Task A_table_that_is_another_roles_by_now_keeps_neither_the_others_nor_the_next_call()
    {
        await TableAsync();
        await Run("CREATE ROLE quiet_owner LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO quiet_owner; ALTER TABLE orders OWNER TO quiet_owner");
        await Run($"GRANT CREATE ON DATABASE \"{await Ask<string>("SELECT current_database()::text")}\" TO quiet_owner");
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Username = "quiet_owner" }.ConnectionString);
        var partman = new PartmanClient(source);
        await PauseAsync(partman, () => Sync("ALTER TABLE orders_p0 OWNER TO CURRENT_USER"));
        var left = await Ask<string[]>(Set);

        (await partman.ForgetAsync(Orders, Token)).Should().BeFalse();

        left.Should().Equal("orders true", "orders_p0 false,false", "orders_p100 true");
        await Partman.ForgetAsync(Orders, Token);
        (await Ask<string[]>(Set)).Should().Equal(Begun);
        (await Ask<long>(Noted)).Should().Be(0);
    }

    [Fact]
    public async Task A_table_that_somebody_holds_keeps_its_autovacuum_and_no_conversion_and_is_told()
    {
        await TableAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        using var log = new FakeLoggerFactory();
        var (transaction, meanwhile) = (default(NpgsqlTransaction), default(string[]));
        var partman = new PartmanClient(Database.DataSource, new PartmanOptions { LockTimeout = TimeSpan.FromMilliseconds(200), LockAttempts = 3, MaxBackoff = TimeSpan.FromMilliseconds(100) }, log);

        var done = await partman.ConvertAsync(Orders, Hundreds(), new Watch(c =>
        {
            if (c.Step == ConversionStep.Copy && meanwhile is null)
            {
                meanwhile = Database.ScalarAsync<string[]>(Set, Token).GetAwaiter().GetResult();
                transaction!.Rollback();
            }
            if (c.Step != ConversionStep.Create)
                return;
            // As a long VACUUM does.
            transaction = holder.BeginTransaction();
            using var hold = new NpgsqlCommand("LOCK TABLE orders_p0 IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction);
            hold.ExecuteNonQuery();
        }), Token);

        done.Phase.Should().Be(ConversionPhase.Swapped);
        meanwhile.Should().Equal("orders false,false", "orders_default false,false", "orders_p0 true", "orders_p100 false,false");
        log.Lines.Where(l => l.Id == 5008).Select(l => l.Message).Should().Equal("Autovacuum stays on for public.orders_p0 while its rows are moved: somebody holds the table, or it is another role's");
        (await Ask<string[]>(Set)).Should().Equal(Swapped);
        (await Ask<long>(Noted)).Should().Be(0);
    }

    [Fact]
    public async Task What_a_killed_process_left_is_told_by_a_check_as_soon_as_nobody_is_at_work_any_more()
    {
        await TableAsync();
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        await Run("""
            ALTER TABLE orders SET (autovacuum_enabled = false, toast.autovacuum_enabled = false);
            INSERT INTO omnipg_partman.operation (parent_table, child, child_name, kind, phase, detail)
            VALUES ('public.orders', 'orders'::regclass, 'orders', 'autovacuum', 'Suspended', '{"set": "\"public\".\"orders\"", "own": "true", "toast": null}');
            """);
        async Task<string[]> ToldAsync() => [.. (await Partman.CheckAsync(Token)).Findings.Where(f => f.Kind == FindingKind.Autovacuum).Select(f => f.Text)];
        await using var worker = await Database.DataSource.OpenConnectionAsync(Token);
        await using (var take = new NpgsqlCommand("SELECT pg_advisory_lock(hashtext('omnipg partman'), hashtext('public.orders'))", worker))
            await take.ExecuteNonQueryAsync(Token);

        var atWork = await ToldAsync();
        await using (var give = new NpgsqlCommand("SELECT pg_advisory_unlock_all()", worker))
            await give.ExecuteNonQueryAsync(Token);
        var left = await ToldAsync();

        atWork.Should().BeEmpty();
        left.Should().Equal("Autovacuum is off for 'public.orders' since its rows were moved: the run was ended before it could give the setting back. "
            + "The next maintenance tries to give the setting back, or: ALTER TABLE public.orders SET (autovacuum_enabled = 'true'), RESET (toast.autovacuum_enabled);");
    }

    [Fact]
    public async Task A_cancel_behind_the_swap_does_not_take_its_result_away()
    {
        await TableAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var (transaction, options) = (default(NpgsqlTransaction), Hundreds());
        options.KeepWayBack = false;
        var running = Client(o => o.LockTimeout = TimeSpan.FromSeconds(60)).ConvertAsync(Orders, options, new Watch(c =>
        {
            if (c.Step != ConversionStep.Swap)
                return;
            transaction = holder.BeginTransaction();
            using var hold = new NpgsqlCommand("LOCK TABLE orders_p0 IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction);
            hold.ExecuteNonQuery();
        }), stop.Token);
        await Eventually.TrueAsync(() => Ask<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' AND a.query LIKE '%RESET (toast.autovacuum_enabled)%')"), "the setting is given back", cancellationToken: Token);

        await stop.CancelAsync();
        await transaction!.RollbackAsync(Token);

        (await running).Phase.Should().Be(ConversionPhase.Swapped);
        (await Ask<string[]>(Set)).Should().Equal(Swapped);
    }

    [Fact]
    public async Task Whoever_has_set_it_himself_meanwhile_has_the_last_word()
    {
        var id = await LeaveAsync();
        await Run("ALTER TABLE orders RESET (autovacuum_enabled)");

        await Partman.AbortConversionAsync(id, Token);

        (await Ask<string[]>(Set)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_maintenance_leaves_the_tables_of_a_run_that_is_at_work_alone()
    {
        await TableAsync();
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(), Token);
        string[]? meanwhile = null;

        await Partman.ConvertAsync(Orders, Hundreds(), new Watch(c =>
        {
            if (c.Step != ConversionStep.Copy || meanwhile is not null)
                return;
            Task.Run(() => Partman.MaintainAsync(Only(Events), cancellationToken: Token), Token).GetAwaiter().GetResult();
            meanwhile = Database.ScalarAsync<string[]>(Set, Token).GetAwaiter().GetResult();
        }), Token);

        meanwhile.Should().Contain("orders false,false");
    }

    [Fact]
    public async Task It_is_off_while_a_set_is_undone_and_the_target_has_its_own_setting_back()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id); CREATE TABLE plain (id bigint, note text) WITH (autovacuum_enabled = false)");
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        await Run("INSERT INTO events SELECT n, 'n' || n FROM generate_series(1, 15) n");
        string[]? meanwhile = null;

        await Partman.UndoAsync(
            Events, Plain, new UndoOptions { SuspendAutovacuum = true, KeepTables = true },
            new Undoing(_ => meanwhile ??= Database.ScalarAsync<string[]>(Set, Token).GetAwaiter().GetResult()), Token);

        meanwhile.Should().Equal("events_default false,false", "events_p0 false,false", "events_p10 false,false", "plain false,false");
        (await Ask<string[]>(Set)).Should().Equal("plain false");
        (await Ask<long>(Noted)).Should().Be(0);
        (await Ask<long>("SELECT count(*) FROM plain")).Should().Be(15);
    }

    [Fact]
    public async Task An_undo_asks_for_it_once_however_many_partitions_it_empties()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, note text) PARTITION BY RANGE (id); CREATE TABLE plain (id bigint, note text)");
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 3), Token);
        await Run("INSERT INTO events SELECT n, 'n' || n FROM generate_series(1, 45) n");
        using var log = new FakeLoggerFactory();
        await using var source = new NpgsqlDataSourceBuilder(Database.ConnectionString).UseLoggerFactory(log).Build();

        var undone = await new PartmanClient(source).UndoAsync(Events, Plain, new UndoOptions { SuspendAutovacuum = true }, cancellationToken: Token);

        undone.Should().Be(new UndoResult(45, 5));
        log.Lines.Count(l => l.Level == LogLevel.Information && l.Message.Contains("SET (autovacuum_enabled = false", StringComparison.Ordinal)).Should().Be(1);
    }

    [Fact]
    public async Task The_plan_of_a_conversion_and_of_an_undo_tells_of_it_and_without_it_does_not()
    {
        await TableAsync();
        await IdTableAsync();
        await Run("CREATE TABLE plain (id bigint NOT NULL, note text)");
        await Partman.CreateAsync(Events, Tens(o => o.Premake = 1), Token);
        async Task<string[]> KindsAsync(ConversionStrategy strategy, bool suspends)
        {
            var options = Hundreds(strategy);
            options.SuspendAutovacuum = suspends;
            return [.. (await Partman.PlanConversionAsync(Orders, options, Token)).Steps.Select(s => s.Kind)];
        }

        var undo = await Partman.PlanUndoAsync(Events, Plain, new UndoOptions { SuspendAutovacuum = true }, Token);

        (await KindsAsync(ConversionStrategy.CopyAndSwap, suspends: true)).Should().Equal("create-copy", "log-keys", "suspend-autovacuum", "copy-rows", "swap", "resume-autovacuum");
        (await KindsAsync(ConversionStrategy.DrainDefault, suspends: true)).Should().Equal("create-copy", "swap", "suspend-autovacuum", "drain-default", "resume-autovacuum");
        (await KindsAsync(ConversionStrategy.CopyAndSwap, suspends: false)).Should().Equal("create-copy", "log-keys", "copy-rows", "swap");
        undo.Steps.Select(s => s.Kind).Should().StartWith(["begin-undo", "suspend-autovacuum", "move-rows"]).And.EndWith(["resume-autovacuum", "end-undo"]);
        undo.Steps[1].Description.Should().Be("set autovacuum_enabled to off on the partitions of 'public.events' and 'public.plain', and on their TOAST; what each was set to is noted in the same transaction");
        (await Partman.PlanUndoAsync(Events, Plain, cancellationToken: Token)).Steps.Should().NotContain(s => s.Kind.EndsWith("autovacuum", StringComparison.Ordinal));
    }

    private static void Stop(ConversionProgress progress, ConversionStep step, CancellationTokenSource stop)
    {
        if (progress.Step == step)
            stop.Cancel();
    }

    private sealed class Watch(Action<ConversionProgress> act) : IProgress<ConversionProgress>
    {
        public void Report(ConversionProgress value) => act(value);
    }

    private sealed class Undoing(Action<UndoProgress> act) : IProgress<UndoProgress>
    {
        public void Report(UndoProgress value) => act(value);
    }
}
