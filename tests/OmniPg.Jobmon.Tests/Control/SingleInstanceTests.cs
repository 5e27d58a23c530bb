using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Control;

public sealed class SingleInstanceTests(PgClusterFixture server)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Second_run_is_skipped_with_the_texts_of_the_original_until_the_first_ends()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var here = new JobmonClient(log.DataSource);
        await using var there = new JobmonClient(log.DataSource);

        var first = await here.Job("Export").SingleInstance().StartAsync(Cancellation);
        using var same = here.Job("Export").SingleInstance().Start();
        await using var other = await there.Job("EXPORT").SingleInstance().StartAsync(Cancellation);
        await first.CompleteAsync(cancellationToken: Cancellation);
        await first.DisposeAsync();
        await using var later = await there.Job("export").SingleInstance().StartAsync(Cancellation);

        (first.Acquired, same.Acquired, other.Acquired, later.Acquired).Should().Be((true, false, false, true));
        other.State.Should().Be(JobState.Skipped);
        await later.CompleteAsync(cancellationToken: Cancellation);
        (await log.RowsAsync($"SELECT l.status, d.action, d.status, d.message FROM S.job_log l JOIN S.job_detail d USING (job_id) WHERE job_id = {other.JobId}"))
            .Should().Equal("WARNING|Obtaining advisory lock for job: EXPORT|WARNING|Found concurrent job. Exiting gracefully");
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log WHERE status = 'WARNING'")).Should().Be(2);
    }

    [Fact]
    public async Task Throw_names_the_holder()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var here = new JobmonClient(log.DataSource);
        await using var there = new JobmonClient(log.DataSource);
        await using var first = await here.Job("export").SingleInstance().StartAsync(Cancellation);

        var error = there.Invoking(j => j.Job("export").SingleInstance(OnConflict.Throw).Start()).Should().Throw<JobAlreadyRunningException>().Which;

        error.HolderJobId.Should().Be(first.JobId);
        error.HolderPid.Should().Be(await log.ScalarAsync<int>("SELECT pid FROM S.job_log"));
        error.Since!.Value.UtcDateTime.Should().Be(await log.ScalarAsync<DateTime>("SELECT start_time FROM S.job_log"));
        (await log.ScalarAsync<long>("SELECT count(*) FROM S.job_log")).Should().Be(1);
        await first.CompleteAsync(cancellationToken: Cancellation);
    }

    [Fact]
    public async Task Wait_gets_the_lock_when_the_other_ends_and_gives_up_in_time()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var here = new JobmonClient(log.DataSource);
        await using var there = new JobmonClient(log.DataSource);
        var first = await here.Job("export").SingleInstance().StartAsync(Cancellation);

        await there.Awaiting(j => j.Job("export").SingleInstance(TimeSpan.FromMilliseconds(300)).StartAsync(Cancellation).AsTask())
            .Should().ThrowAsync<JobAlreadyRunningException>();
        var waiting = there.Job("export").SingleInstance(TimeSpan.FromSeconds(30)).StartAsync(Cancellation);
        await first.CompleteAsync(cancellationToken: Cancellation);
        await using var second = await waiting;

        second.Acquired.Should().BeTrue();
        await second.CompleteAsync(cancellationToken: Cancellation);
    }

    [Theory]
    [InlineData("export")]
    [InlineData("Export")]
    public async Task Sql_session_with_the_key_of_the_original_counts_as_a_run(string typed)
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        await using var psql = await log.DataSource.OpenConnectionAsync(Cancellation);
        (await log.RowsAsync(psql, $"SELECT pg_try_advisory_lock(hashtext('sql_log'), hashtext('{typed}'))")).Should().Equal("t");

        await using var job = await jobmon.Job(typed).SingleInstance().StartAsync(Cancellation);

        job.Acquired.Should().BeFalse();
        (await log.RowsAsync(psql, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = (hashtext('sql_log')::bigint & 4294967295)::oid AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"))
            .Should().Equal("1");
    }

    [Fact]
    public async Task Lock_taken_by_another_process_while_the_connection_was_away_cancels_the_job()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource, new JobmonOptions { HeartbeatInterval = TimeSpan.FromMilliseconds(200) });
        await using var job = await jobmon.Job("export").SingleInstance().StartAsync(Cancellation);
        await using var thief = await log.DataSource.OpenConnectionAsync(Cancellation);

        var stealing = new NpgsqlCommand("SELECT pg_advisory_lock(hashtext('sql_log'), hashtext('EXPORT'))", thief).ExecuteNonQueryAsync(Cancellation);
        await Eventually.TrueAsync(
            async () => await log.ScalarAsync<long>(
                """
                SELECT count(pg_terminate_backend(held.pid)) FROM pg_locks waiting
                JOIN pg_locks held ON held.objid = waiting.objid AND held.classid = waiting.classid AND held.granted
                    AND held.database = waiting.database
                WHERE waiting.locktype = 'advisory' AND NOT waiting.granted AND waiting.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                """) == 1,
            "the thief waits for the lock and the holder's backend is terminated", cancellationToken: Cancellation);
        await stealing;

        await Eventually.TrueAsync(() => job.CancellationToken.IsCancellationRequested, "the job learns that it is no longer alone", cancellationToken: Cancellation);
    }
}
