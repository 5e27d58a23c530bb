using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Quieting;

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
    public async Task Who_holds_a_table_that_it_cannot_be_turned_off_for_is_named()
    {
        await TableAsync();
        await using var holder = await Database.DataSource.OpenConnectionAsync(Token);
        var transaction = default(NpgsqlTransaction);

        var thrown = (await Partman.Awaiting(p => p.ConvertAsync(Orders, Hundreds(), new Watch(c =>
        {
            if (c.Step != ConversionStep.Create)
                return;
            transaction = holder.BeginTransaction();
            using var hold = new NpgsqlCommand("LOCK TABLE orders_p0 IN SHARE UPDATE EXCLUSIVE MODE", holder, transaction);
            hold.ExecuteNonQuery();
        }), Token)).Should().ThrowAsync<PartitionLockTimeoutException>()).Which;
        await transaction!.RollbackAsync(Token);

        thrown.Message.Should().StartWith("'suspend-autovacuum' on 'public.orders'");
        thrown.Holders.Select(h => h.ProcessId).Should().Equal(holder.ProcessID);
        (await Ask<long>(Noted)).Should().Be(0);
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
