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

    [Fact]
    public async Task A_stream_of_a_million_rows_allocates_nothing_for_a_row()
    {
        await using var databases = await TwoDatabases.CreateAsync(fixture.Cluster);
        await databases.AtDestinationAsync("CREATE TABLE t (i int, t text)");
        await using var run = await PipeRun.BeginAsync(databases);
        await AllocatedAsync(200_000);

        var few = await AllocatedAsync(10_000);
        var many = await AllocatedAsync(1_000_000);

        // An object for a row would be 24 bytes. The driver allocates for a read of the socket, and how much one reads depends on the machine's load.
        ((many - few) / 990_000.0).Should().BeLessThan(1);

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
