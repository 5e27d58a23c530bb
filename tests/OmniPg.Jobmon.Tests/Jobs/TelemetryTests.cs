using System.Diagnostics;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Jobs;

public sealed class TelemetryTests(PgClusterFixture server)
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Job_and_step_are_spans_and_the_run_keeps_the_trace()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        using var spans = new ActivityRecorder("OmniPg.Jobmon");
        using var meter = new MeterRecorder("OmniPg.Jobmon");
        var name = $"traced {Guid.NewGuid()}";

        using (var job = jobmon.Start(name))
        {
            job.Step("broken").Fail(new Npgsql.PostgresException("no", "ERROR", "ERROR", "23505"));
            job.Fail("no");
        }

        var mine = spans.Ended.Where(a => (string?)a.GetTagItem("omnipg.job.name") == name).ToList();
        mine.Select(a => a.OperationName).Should().Equal("job.step", "job");
        mine[0].ParentSpanId.Should().Be(mine[1].SpanId);
        mine[0].GetTagItem("db.response.status_code").Should().Be("23505");
        mine[0].GetTagItem("error.type").Should().Be("Npgsql.PostgresException");
        mine[1].GetTagItem("omnipg.job.id").Should().BeOfType<long>();
        (await log.RowsAsync("SELECT trace_id, span_id FROM omnipg_jobmon.run")).Should().Equal($"{mine[1].TraceId}|{mine[1].SpanId}");
        var measured = meter.All.Where(m => m.Tags.TryGetValue("omnipg.job.name", out var tag) && (string?)tag == name).ToList();
        measured.Where(m => m.Instrument == "omnipg.job.active").Sum(m => m.Value).Should().Be(0);
        measured.Should().ContainSingle(m => m.Instrument == "omnipg.job.completed").Which.Tags["status"].Should().Be("CRITICAL");
        measured.Should().ContainSingle(m => m.Instrument == "omnipg.job.duration").Which.Value.Should().BePositive();
        meter.All.Should().Contain(m => m.Instrument == "omnipg.jobmon.write.duration");
    }

    [Fact]
    public async Task Steps_one_after_the_other_are_siblings_and_the_flow_keeps_the_span_it_had()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        await using var jobmon = new JobmonClient(log.DataSource);
        using var spans = new ActivityRecorder("OmniPg.Jobmon");
        using var outer = new Activity("outer").Start();
        var name = $"traced {Guid.NewGuid()}";

        var job = await jobmon.StartAsync(name, cancellationToken: Stop);
        await (await job.StepAsync("async", Stop)).CompleteAsync(cancellationToken: Stop);
        job.Step("sync").Complete();
        var inBody = await job.StepAsync("body", (_, _) => Task.FromResult(Activity.Current!.OperationName), Stop);
        var afterBody = Activity.Current;
        using (job.Step("disposed"))
        {
        }

        var over = await job.StepAsync("overlapping", Stop);
        var under = await job.StepAsync("overlapped", Stop);
        await over.CompleteAsync(cancellationToken: Stop);
        await (await under.NextAsync("next", cancellationToken: Stop)).CompleteAsync(cancellationToken: Stop);
        var between = Activity.Current;
        await job.CompleteAsync(cancellationToken: Stop);
        await job.DisposeAsync();

        (inBody, afterBody!.OperationName, between!.OperationName).Should().Be(("job.step", "job", "job"));
        Activity.Current.Should().BeSameAs(outer);
        var mine = spans.Ended.Where(a => (string?)a.GetTagItem("omnipg.job.name") == name).ToList();
        mine.Should().HaveCount(8);
        mine[^1].ParentSpanId.Should().Be(outer.SpanId);
        mine.SkipLast(1).Select(a => (a.GetTagItem("omnipg.job.step"), a.ParentSpanId)).Should().Equal(
            new[] { "async", "sync", "body", "disposed", "overlapping", "overlapped", "next" }.Select(step => ((object?)step, mine[^1].SpanId)));
    }
}
