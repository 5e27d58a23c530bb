using System.Transactions;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Faults;

public sealed class CallerTransactionTests(PgClusterFixture server)
{
    [Fact]
    public async Task Log_survives_the_rollback_of_the_caller()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        var cancellation = TestContext.Current.CancellationToken;
        await log.ExecuteAsync("CREATE TABLE facts (n int)");

        await using (var connection = await log.DataSource.OpenConnectionAsync(cancellation))
        await using (var transaction = await connection.BeginTransactionAsync(cancellation))
        await using (var job = await jobmon.StartAsync("load", cancellationToken: cancellation))
        {
            await job.SqlStepAsync("insert", "INSERT INTO facts VALUES (1), (2)", connection, transaction, cancellation);
            await transaction.RollbackAsync(cancellation);
            await job.FailAsync("rolled back", cancellationToken: cancellation);
        }

        (await log.ScalarAsync<long>("SELECT count(*) FROM facts")).Should().Be(0);
        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail ORDER BY step_id"))
            .Should().Equal("insert|OK|Rows affected: 2", "EXCEPTION after last step logged|CRITICAL|rolled back");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Log_takes_no_part_in_a_transaction_scope(bool enlist)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { Enlist = enlist }.ConnectionString);
        await using var jobmon = new JobmonClient(source);
        var cancellation = TestContext.Current.CancellationToken;
        await log.ExecuteAsync("CREATE TABLE facts (n int)");

        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
        {
            await using var job = await jobmon.StartAsync("load", cancellationToken: cancellation);
            await using var connection = await source.OpenConnectionAsync(cancellation);
            await job.SqlStepAsync("insert", "INSERT INTO facts VALUES (1)", connection, cancellationToken: cancellation);
            using (var step = job.Step("sync"))
                step.Complete();
            await job.CompleteAsync(cancellationToken: cancellation);
        }

        (await log.ScalarAsync<long>("SELECT count(*) FROM facts")).Should().Be(enlist ? 0 : 1);
        (await log.RowsAsync("SELECT l.status, d.action, d.status FROM S.job_log l JOIN S.job_detail d USING (job_id) ORDER BY step_id")).Should().Equal("OK|insert|OK", "OK|sync|OK");
        (await log.ScalarAsync<long>("SELECT count(*) FROM pg_prepared_xacts")).Should().Be(0);
    }

    [Theory]
    [InlineData("COMMIT PREPARED", 1)]
    [InlineData("ROLLBACK PREPARED", 0)]
    public async Task Log_is_there_before_a_prepared_transaction_is_decided(string decision, int facts)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });
        var cancellation = TestContext.Current.CancellationToken;
        await log.ExecuteAsync("CREATE TABLE facts (n int)");

        await using (var job = await jobmon.StartAsync("load", cancellationToken: cancellation))
        await using (var connection = await log.DataSource.OpenConnectionAsync(cancellation))
        {
            await log.RowsAsync(connection, "BEGIN");
            await job.SqlStepAsync("insert", "INSERT INTO facts VALUES (1)", connection, cancellationToken: cancellation);
            await log.RowsAsync(connection, $"PREPARE TRANSACTION '{log.Name}'");
            await job.CompleteAsync(cancellationToken: cancellation);
        }

        (await log.RowsAsync("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")).Should().Equal(log.Name);
        (await log.RowsAsync("SELECT l.status, d.action, d.status FROM S.job_log l JOIN S.job_detail d USING (job_id)")).Should().Equal("OK|insert|OK");
        await log.ExecuteAsync($"{decision} '{log.Name}'");
        (await log.ScalarAsync<long>("SELECT count(*) FROM facts")).Should().Be(facts);
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(1);
    }

    [Fact]
    public async Task Failure_is_written_while_the_caller_sits_in_an_aborted_transaction()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        var cancellation = TestContext.Current.CancellationToken;

        await using var connection = await log.DataSource.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        await using var job = await jobmon.StartAsync("load", cancellationToken: cancellation);
        var error = await Assert.ThrowsAsync<PostgresException>(() => new NpgsqlCommand("SELECT 1/0", connection).ExecuteNonQueryAsync(cancellation));
        job.Attach(connection);
        await job.FailAsync(error, cancellationToken: cancellation);

        (await log.RowsAsync($"SELECT status, pid = {connection.ProcessID} FROM S.job_log")).Should().Equal("CRITICAL|t");
    }

    [Fact]
    public async Task Log_works_while_the_caller_holds_every_connection_of_its_pool()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(log.ConnectionString) { MaxPoolSize = 1, Timeout = 30 }.ConnectionString);
        await using var jobmon = new JobmonClient(source, new JobmonOptions { ErrorPolicy = ErrorPolicy.Throw });

        await using var only = await source.OpenConnectionAsync(TestContext.Current.CancellationToken);
        using (var job = jobmon.Start("load"))
        {
            job.Attach(only);
            using (var step = job.Step("work"))
                step.Complete();
            job.Complete();
        }

        (await log.RowsAsync($"SELECT l.status, l.pid = r.work_pid, l.pid = {only.ProcessID}, r.work_backend_start IS NOT NULL FROM S.job_log l JOIN omnipg_jobmon.run r USING (job_id)"))
            .Should().Equal("OK|t|t|t");
    }

    [Fact]
    public async Task Own_connections_get_the_credentials_that_the_data_source_hides()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        const string Password = "it's \\ = \" ;x";
        var asked = 0;
        var builder = new NpgsqlDataSourceBuilder(log.ConnectionString);
        builder.UsePasswordProvider(_ => { asked++; return Password; }, (_, _) => { asked++; return new ValueTask<string>(Password); });
        await using var source = builder.Build();
        await using var own = new OwnConnections(source, new JobmonOptions(), new ServerClock(TimeProvider.System));

        await using var connection = await own.OpenAsync(async: true, TestContext.Current.CancellationToken);

        source.ConnectionString.Should().NotContain(Password);
        own.DataSource.ConnectionString.Should().NotContain("Password=");
        own.ServerName.Should().NotContain(Password);
        asked.Should().BeGreaterThan(0);
        (await log.RowsAsync(connection, "SHOW application_name")).Should().Equal("OmniPg.Jobmon");
        (await log.RowsAsync(connection, "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('statement_timeout')")).Should().Equal("0|5s");
    }
}
