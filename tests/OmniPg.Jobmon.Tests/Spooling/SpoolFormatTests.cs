using System.Text.Json;
using System.Text.Json.Nodes;

namespace OmniPg.Jobmon.Tests.Spooling;

/// <summary>A file of format 1 outlives the version that wrote it.</summary>
public sealed class SpoolFormatTests
{
    [Theory]
    [InlineData("""{"event":"job start","at":"2026-11-28T09:00:00.123456Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","name":"LOAD","parent":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c002","parentId":41,"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","arguments":"{\u0022day\u0022:1}","tags":["night","eu"],"maxRuntime":"01:30:00"}""")]
    [InlineData("""{"event":"step start","at":"2026-11-28T09:00:01Z","serverTime":false,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","jobId":42,"step":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c003","stepId":7,"parentStep":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c004","parentStepId":6,"ordinal":2,"action":"copy"}""")]
    [InlineData("""{"event":"step end","at":"2026-11-28T09:00:02Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","step":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c003","level":3,"status":"BAD","message":"no","current":5,"total":9,"unit":"rows","rows":11,"error":"{}"}""")]
    [InlineData("""{"event":"job end","at":"2026-11-28T09:00:03Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","action":"Failed","level":3,"message":"no","error":"{}","result":"{\u0022rows\u0022:3}"}""")]
    [InlineData("""{"event":"worker attach","at":"2026-11-28T09:00:04Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","pid":4711,"backendStart":"2026-11-28T08:59:00Z"}""")]
    [InlineData("""{"event":"log lines","at":"2026-11-28T09:00:05Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","first":1,"lines":[{"at":"2026-11-28T09:00:05Z","serverTime":true,"step":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c003","stepId":7,"level":2,"category":"Etl","message":"one"},{"at":"2026-11-28T09:00:05Z","serverTime":false,"level":4,"message":"two"}]}""")]
    public void Line_of_an_earlier_version_is_read_whole(string line)
    {
        var record = JsonSerializer.Deserialize(line, SpoolJson.Default.SpoolRecord);

        JsonNode.DeepEquals(JsonNode.Parse(JsonSerializer.Serialize(record, SpoolJson.Default.SpoolRecord)), JsonNode.Parse(line)).Should().BeTrue();
    }

    [Theory]
    [InlineData("worker attach", "Event 'worker attach' has no 'pid'.")]
    [InlineData("log lines", "Event 'log lines' has no 'first'.")]
    [InlineData("step start", "Event 'step start' has no 'step'.")]
    [InlineData("job end", "Event 'job end' has no 'level'.")]
    [InlineData("holiday", "'holiday' is no event.")]
    public void Line_that_lacks_what_its_event_needs_says_what(string name, string message) =>
        FluentActions.Invoking(() => Decoder().Decode(new SpoolRecord(name, Noon, Guid.NewGuid()))).Should().Throw<FormatException>().WithMessage(message);

    [Fact]
    public void Rows_that_several_lines_name_are_one_and_those_of_no_line_are_known_by_their_ids()
    {
        var (decoder, job, step) = (Decoder(), Guid.NewGuid(), Guid.NewGuid());

        var start = (JobStartedEvent)decoder.Decode(new SpoolRecord("job start", Noon, job, Name: "LOAD", Parent: Guid.NewGuid(), ParentId: 41));
        var child = (JobStartedEvent)decoder.Decode(new SpoolRecord("job start", Noon, Guid.NewGuid(), Name: "PART", Parent: job));
        var orphan = (JobStartedEvent)decoder.Decode(new SpoolRecord("job start", Noon, Guid.NewGuid(), Name: "LOST", Parent: Guid.NewGuid()));
        var begun = (StepStartedEvent)decoder.Decode(new SpoolRecord("step start", Noon, job, JobId: 7, Step: step, ParentStep: Guid.NewGuid(), ParentStepId: 6, Ordinal: 2, Action: "copy"));
        var inner = (StepStartedEvent)decoder.Decode(new SpoolRecord("step start", Noon, job, Step: Guid.NewGuid(), ParentStep: step));
        var ended = (StepEndedEvent)decoder.Decode(new SpoolRecord("step end", Noon, job, Step: step, StepId: 9, Level: 1, Current: 5, Total: 8, Unit: "rows"));
        var lines = (LogLinesEvent)decoder.Decode(new SpoolRecord("log lines", Noon, job, First: 1, Lines:
            [new(Noon, false, 2, "one", step), new(Noon, false, 2, "two", Guid.NewGuid(), 10), new(Noon, false, 2, "three", Guid.NewGuid()), new(Noon, false, 2, "four")]));
        var detached = (WorkerAttachedEvent)decoder.Decode(new SpoolRecord("worker detach", Noon, job));

        (start.Job.Name, start.Job.JobId, start.Parent!.JobId, start.Late, start.Repeated).Should().Be(("LOAD", 7L, 41L, true, true));
        child.Parent.Should().BeSameAs(start.Job);
        orphan.Parent.Should().BeNull();
        (begun.Step.Parent!.StepId, begun.Step.Ordinal, begun.Step.Action, begun.Step.StepId).Should().Be((6L, 2, "copy", 9L));
        (inner.Step.Parent, inner.Step.Ordinal, inner.Step.Action).Should().Be((begun.Step, 0, ""));
        (ended.Step, ended.Progress).Should().Be((begun.Step, new StepProgress(5, 8, "rows")));
        lines.Lines.Select(line => (line.Message, line.Step?.StepId)).Should().Equal(("one", 9L), ("two", 10L), ("three", null), ("four", null));
        (detached.Job, detached.Pid).Should().Be((start.Job, null));
    }

    [Theory]
    [InlineData("""{"at":"2026-11-28T09:00:03Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001"}""")]
    [InlineData("""{"event":"job end","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","level":1}""")]
    [InlineData("""{"event":"job end","at":"2026-11-28T09:00:03Z","serverTime":true,"level":1}""")]
    public void Line_without_event_time_or_run_is_none(string line)
    {
        FluentActions.Invoking(() => JsonSerializer.Deserialize(line, SpoolJson.Default.SpoolRecord)).Should().Throw<JsonException>();
    }

    private static DateTime Noon => new(2026, 11, 28, 12, 0, 0, DateTimeKind.Utc);

    private static SpoolDecoder Decoder()
    {
        var clock = new ServerClock(TimeProvider.System);
        return new SpoolDecoder(new WriteContext(clock, new TextGuard(null, 1_000), Guid.NewGuid(), () => null), clock);
    }
}
