using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Mimeo.Tests;

public sealed class CopyPipeTests(PgClusterFixture fixture)
{
    // In the select list the function gives row by row; in FROM it would be stored first.
    private const string EndlessRows = "SELECT i, 'text ' || i FROM (SELECT generate_series(1, 2000000000) AS i) s";

    [Theory]
    [InlineData(CopyFormat.Binary, 64 * 1024)]
    [InlineData(CopyFormat.Binary, 64)]
    [InlineData(CopyFormat.Text, 64 * 1024)]
    [InlineData(CopyFormat.Text, 64)]
    public async Task Rows_are_counted_and_arrive_however_small_the_buffer_and_the_parts_are(CopyFormat format, int bufferBytes)
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int, t text)");
        const string query = "SELECT i, CASE WHEN i % 7 <> 0 THEN repeat(E'x\\n\\\\', i % 50) END FROM generate_series(1, 5000) i";

        await using (var run = await PipeRun.BeginAsync(databases))
        {
            var pipe = run.Pipe(query, "t", format, bufferBytes, partBytes: 10_000);
            await pipe.RunAsync(TestContext.Current.CancellationToken);
            await run.CommitAsync();

            pipe.Rows.Should().Be(5000);
        }

        await databases.ShouldBeEqualAsync(query, "SELECT * FROM t");
    }

    [Theory]
    [InlineData(CopyFormat.Binary)]
    [InlineData(CopyFormat.Text)]
    public async Task No_rows_and_rows_without_columns_are_copied(CopyFormat format)
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int); CREATE TABLE bare ()");

        await using (var run = await PipeRun.BeginAsync(databases))
        {
            var none = run.Pipe("SELECT 1 WHERE false", "t", format);
            await none.RunAsync(TestContext.Current.CancellationToken);
            none.Rows.Should().Be(0);
            var bare = run.Pipe("SELECT FROM generate_series(1, 3)", "bare", format);
            await bare.RunAsync(TestContext.Current.CancellationToken);
            bare.Rows.Should().Be(3);
            await run.CommitAsync();
        }

        (await databases.DestinationAsync<long>("SELECT count(*) FROM bare")).Should().Be(3);
    }

    [Fact]
    public async Task A_terminated_source_leaves_nothing_at_the_destination_and_two_usable_pools()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int)");

        for (var kill = 0; kill < 10; kill++)
        {
            await using var run = await PipeRun.BeginAsync(databases);
            // Ends itself after a number of rows, so that it happens in the middle of the stream each time.
            var pipe = run.Pipe($"SELECT i FROM generate_series(1, 100000) i WHERE i <> {20000 * kill / 2 + 1} OR pg_terminate_backend(pg_backend_pid())", "t", partBytes: 100_000);
            var copying = () => pipe.RunAsync(TestContext.Current.CancellationToken);

            var error = (await copying.Should().ThrowAsync<CopyInterruptedException>()).Which;
            (error.Side, error.SqlState, error.Code).Should().Be((CopySide.Source, PostgresErrorCodes.AdminShutdown, "mimeo.copy.interrupted"));
        }

        (await databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
        (await databases.SourceAsync<int>("SELECT 1")).Should().Be(1);
    }

    [Fact]
    public async Task A_terminated_destination_ends_the_copy_at_the_source()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int, t text)");

        for (var kill = 0; kill < 10; kill++)
        {
            var sourcePid = 0;
            await using (var run = await PipeRun.BeginAsync(databases))
            {
                sourcePid = run.Source.ProcessID;
                var pipe = run.Pipe(EndlessRows, "t", partBytes: 1_000_000);
                var copying = pipe.RunAsync(TestContext.Current.CancellationToken);
                await Eventually.TrueAsync(() => pipe.Rows > 10_000 * kill, "rows flow", cancellationToken: TestContext.Current.CancellationToken);
                await fixture.Cluster.ExecuteAsync($"SELECT pg_terminate_backend({run.Destination.ProcessID})", TestContext.Current.CancellationToken);

                var error = (await copying.Awaiting(c => c).Should().ThrowAsync<CopyInterruptedException>()).Which;
                error.Side.Should().Be(CopySide.Destination);
            }
            await NotCopyingAsync(sourcePid);
        }

        (await databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
    }

    [Fact]
    public async Task A_row_that_the_destination_refuses_is_told_before_the_end_of_the_stream()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int CHECK (i <> 12345), t text)");

        await using var run = await PipeRun.BeginAsync(databases);
        var pipe = run.Pipe(EndlessRows, "t", partBytes: 1_000_000);
        var copying = () => pipe.RunAsync(TestContext.Current.CancellationToken);

        var error = (await copying.Should().ThrowAsync<CopyInterruptedException>()).Which;
        (error.Side, error.SqlState).Should().Be((CopySide.Destination, PostgresErrorCodes.CheckViolation));
        error.Message.Should().Contain("violates check constraint").And.Contain("COPY t, line 12345");
        error.Rows.Should().BeLessThan(2_000_000);
    }

    [Fact]
    public async Task A_pipe_that_is_cancelled_while_the_source_is_silent_ends_and_keeps_nothing()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int)");

        await using (var run = await PipeRun.BeginAsync(databases))
        {
            using var cancelled = new CancellationTokenSource();
            var pid = run.Source.ProcessID;
            var copying = run.Pipe("SELECT i FROM (SELECT generate_series(1, 10000) AS i) s WHERE i < 5000 OR pg_sleep(600) IS NOT NULL", "t").RunAsync(cancelled.Token);
            await Eventually.TrueAsync(() => WaitsAsync(pid, "Timeout", "PgSleep"), "the source sleeps", cancellationToken: TestContext.Current.CancellationToken);
            await cancelled.CancelAsync();

            await copying.Awaiting(c => c).Should().ThrowAsync<OperationCanceledException>();
            await NotCopyingAsync(pid);
        }

        (await databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
    }

    [Fact]
    public async Task A_pipe_that_is_cancelled_while_the_destination_waits_for_a_lock_ends_and_keeps_nothing()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int PRIMARY KEY, t text)");
        await using var other = await databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var open = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var insert = new NpgsqlCommand("INSERT INTO t VALUES (70000, 'mine')", other))
            await insert.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);

        await using (var run = await PipeRun.BeginAsync(databases))
        {
            using var cancelled = new CancellationTokenSource();
            var pid = run.Source.ProcessID;
            var copying = run.Pipe(EndlessRows, "t").RunAsync(cancelled.Token);
            await Eventually.TrueAsync(() => WaitsAsync(run.Destination.ProcessID, "Lock", "transactionid"), "the destination waits", cancellationToken: TestContext.Current.CancellationToken);
            await Eventually.TrueAsync(() => WaitsAsync(pid, "Client", "ClientWrite"), "the source waits, too", cancellationToken: TestContext.Current.CancellationToken);
            await cancelled.CancelAsync();

            await copying.Awaiting(c => c).Should().ThrowAsync<OperationCanceledException>();
            await NotCopyingAsync(pid);
        }

        (await databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
    }

    [Theory]
    [InlineData("the source is read")]
    [InlineData("the last rows are confirmed")]
    [InlineData("the destination begins")]
    [InlineData("the source begins")]
    public async Task A_pipe_that_is_cancelled_does_not_wait_for_a_lock(string phase)
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int PRIMARY KEY, t text)");
        await databases.AtSourceAsync("CREATE TABLE t AS SELECT 1 AS i, 'one'::text AS t");
        await using var run = await PipeRun.BeginAsync(databases);
        // Disposed first, so that a pipe that hangs ends with the test.
        await using var holder = await (phase == "the source begins" ? databases.Source : databases.Destination).DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var held = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var take = new NpgsqlCommand(phase.EndsWith("begins", StringComparison.Ordinal) ? "LOCK t" : "INSERT INTO t VALUES (1, 'mine')", holder))
            await take.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var query = phase == "the source is read" ? "SELECT i, 'text ' || i FROM (SELECT generate_series(1, 10000) AS i) s WHERE i < 5000 OR pg_sleep(600) IS NOT NULL" : "SELECT i, t FROM t";
        using var cancelled = new CancellationTokenSource();

        var copying = run.Pipe(query, "t", bufferBytes: 4096).RunAsync(cancelled.Token);
        var (waiting, sleeping) = (phase == "the source begins" ? run.Source.ProcessID : run.Destination.ProcessID, run.Source.ProcessID);
        await Eventually.TrueAsync(() => IsAsync(waiting, "wait_event_type = 'Lock'"), "one side waits for the lock", cancellationToken: TestContext.Current.CancellationToken);
        if (phase == "the source is read")
            await Eventually.TrueAsync(() => WaitsAsync(sleeping, "Timeout", "PgSleep"), "the source sleeps", cancellationToken: TestContext.Current.CancellationToken);
        await cancelled.CancelAsync();

        await copying.Awaiting(c => c.WaitAsync(TimeSpan.FromSeconds(20))).Should().ThrowAsync<OperationCanceledException>();
        // A source that has not begun is left to its lock_timeout.
        if (phase != "the source begins")
            await NotCopyingAsync(waiting);
    }

    [Fact]
    public async Task A_pipe_whose_destination_can_neither_go_on_nor_be_reached_gives_the_connection_up()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int PRIMARY KEY, t text)");
        var run = await PipeRun.BeginAsync(databases);
        await using var holder = await databases.Destination.DataSource.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var held = await holder.BeginTransactionAsync(TestContext.Current.CancellationToken);
        await using (var take = new NpgsqlCommand("INSERT INTO t VALUES (1, 'mine')", holder))
            await take.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        var pid = run.Source.ProcessID;

        var pipe = run.Pipe("SELECT i, 'text ' || i FROM (SELECT generate_series(1, 10000) AS i) s WHERE i < 5000 OR pg_sleep(600) IS NOT NULL", "t", bufferBytes: 4096,
            cancelDestination: _ => throw new NpgsqlException("no connection to be had"), abandonTime: TimeSpan.FromMilliseconds(200));
        var copying = pipe.RunAsync(TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => IsAsync(run.Destination.ProcessID, "wait_event_type = 'Lock'"), "the destination waits", cancellationToken: TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => WaitsAsync(pid, "Timeout", "PgSleep"), "the source sleeps", cancellationToken: TestContext.Current.CancellationToken);
        await fixture.Cluster.ExecuteAsync($"SELECT pg_terminate_backend({pid})", TestContext.Current.CancellationToken);

        var error = (await copying.Awaiting(c => c.WaitAsync(TimeSpan.FromSeconds(20))).Should().ThrowAsync<CopyInterruptedException>()).Which;
        (error.Side, error.SqlState).Should().Be((CopySide.Source, PostgresErrorCodes.AdminShutdown));
        await held.RollbackAsync(TestContext.Current.CancellationToken);
        await run.DisposeAsync();
        (await databases.DestinationAsync<long>("SELECT count(*) FROM t")).Should().Be(0);
    }

    [Fact]
    public async Task A_stream_of_a_million_rows_allocates_nothing_for_a_row()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        // What the driver allocates is for waiting on a socket, not for a row: with a destination slower than the source, no read of it waits. On a machine that is busy with
        // other things the source may be the slower one for a while; what a row takes, it takes in every run.
        await databases.AtDestinationAsync("CREATE TABLE t (i int, t text); CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN sqrt(NEW.i) + length(NEW.t) > 0 THEN NEW END; END'; "
            + "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()");
        await using var run = await PipeRun.BeginAsync(databases);
        await AllocatedAsync(200_000);

        var few = await AllocatedAsync(10_000);
        var forRow = double.MaxValue;
        for (var attempt = 0; attempt < 5 && forRow >= 0.1; attempt++)
            forRow = Math.Min(forRow, (await AllocatedAsync(1_000_000) - few) / 990_000.0);

        forRow.Should().BeLessThan(0.1);

        async Task<long> AllocatedAsync(int rows)
        {
            var pipe = run.Pipe($"SELECT i, 'text ' || i FROM generate_series(1, {rows}) i", "t");
            await pipe.RunAsync(TestContext.Current.CancellationToken);
            return pipe.AllocatedBytes;
        }
    }

    private Task<bool> WaitsAsync(int pid, string type, string wait) => IsAsync(pid, $"wait_event_type = '{type}' AND wait_event = '{wait}'");

    private Task NotCopyingAsync(int pid) =>
        Eventually.TrueAsync(async () => !await IsAsync(pid, "state = 'active' AND query LIKE 'COPY%'"), "the source's COPY has ended", TimeSpan.FromSeconds(10));

    private async Task<bool> IsAsync(int pid, string what)
    {
        await using var command = fixture.Cluster.DataSource.CreateCommand($"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND {what})");
        return (bool)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }
}
