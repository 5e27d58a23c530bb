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
    [InlineData("""{"at":"2026-11-28T09:00:03Z","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001"}""")]
    [InlineData("""{"event":"job end","serverTime":true,"job":"0a6f2f5e-53e2-4d0c-9b0a-0f3a51b0c001","level":1}""")]
    [InlineData("""{"event":"job end","at":"2026-11-28T09:00:03Z","serverTime":true,"level":1}""")]
    public void Line_without_event_time_or_run_is_none(string line)
    {
        FluentActions.Invoking(() => JsonSerializer.Deserialize(line, SpoolJson.Default.SpoolRecord)).Should().Throw<JsonException>();
    }
}
