using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

public sealed class ParentTests(PgClusterFixture server)
{
    [Fact]
    public async Task Run_of_another_database_is_no_parent()
    {
        await using var shop = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var warehouse = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var here = new JobmonClient(shop.DataSource);
        await using var there = new JobmonClient(warehouse.DataSource);

        using (var outer = here.Start("outer"))
        using (var middle = there.Start("middle"))
        {
            here.Current.Should().BeSameAs(outer);
            here.Start("inner").Complete();
            here.Invoking(j => j.Start("wrong", new JobOptions { Parent = middle })).Should().Throw<ArgumentException>().WithMessage("Job 'middle' cannot be the parent*");
            here.Start("free", new JobOptions { Parent = JobmonClient.Null.Start("nowhere") }).Complete();
            middle.Complete();
            outer.Complete();
        }

        (await shop.RowsAsync("SELECT r.display_name, p.display_name FROM omnipg_jobmon.run r LEFT JOIN omnipg_jobmon.run p ON p.job_id = r.parent_job_id ORDER BY r.job_id"))
            .Should().Equal("outer|~", "inner|outer", "free|~");
        (await warehouse.RowsAsync("SELECT display_name, parent_job_id FROM omnipg_jobmon.run")).Should().Equal("middle|~");
    }

    [Fact]
    public async Task Run_of_another_client_of_the_same_log_is_a_parent()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var one = new JobmonClient(log.DataSource);
        await using var other = new JobmonClient(log.DataSource);

        using var outer = one.Start("outer");
        other.Start("inner", new JobOptions { Parent = outer }).Complete();
        outer.Complete();

        (await log.RowsAsync($"SELECT parent_job_id = {outer.JobId} FROM omnipg_jobmon.run WHERE display_name = 'inner'")).Should().Equal("t");
    }

    [Fact]
    public async Task Recorded_and_real_runs_are_no_parents_of_each_other()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var real = new JobmonClient(log.DataSource);
        using var recording = new RecordingJobmon();
        using var run = real.Start("real");

        recording.Invoking(j => j.Start("x", new JobOptions { Parent = run })).Should().Throw<ArgumentException>();
        real.Invoking(j => j.Start("x", new JobOptions { Parent = recording.Start("recorded") })).Should().Throw<ArgumentException>();

        run.Complete();
        (await log.RowsAsync("SELECT job_name, status FROM S.job_log")).Should().Equal("REAL|OK");
    }

    [Fact]
    public async Task Step_that_is_to_go_on_without_a_name_goes_on_as_it_is()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        using var job = jobmon.Start("steps");
        var step = job.Step("first");

        step.Invoking(s => s.Next(" ")).Should().Throw<ArgumentException>();
        step.Complete("whole");
        job.Complete();

        (await log.RowsAsync("SELECT action, status, message FROM S.job_detail")).Should().Equal("first|OK|whole");
    }
}
