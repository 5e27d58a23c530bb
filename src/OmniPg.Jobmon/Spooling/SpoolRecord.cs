using System.Text.Json.Serialization;

namespace OmniPg.Jobmon;

/// <summary>One event as one line of a spool file. Texts have been filtered and cut already; ids are there if the server had given them.</summary>
internal sealed record SpoolRecord
{
    public required string Event { get; init; }

    public required DateTime At { get; init; }

    /// <summary>Whether <see cref="At"/> is the server's time; else the wall clock of the machine.</summary>
    public bool ServerTime { get; init; }

    public required Guid Job { get; init; }

    public long? JobId { get; init; }

    public string? Name { get; init; }

    public Guid? Parent { get; init; }

    public long? ParentId { get; init; }

    public string? TraceId { get; init; }

    public string? SpanId { get; init; }

    public string? Arguments { get; init; }

    public string[]? Tags { get; init; }

    public TimeSpan? MaxRuntime { get; init; }

    public Guid? Step { get; init; }

    public long? StepId { get; init; }

    public Guid? ParentStep { get; init; }

    public long? ParentStepId { get; init; }

    public int? Ordinal { get; init; }

    public string? Action { get; init; }

    public int? Level { get; init; }

    public string? Status { get; init; }

    public string? Message { get; init; }

    public long? Current { get; init; }

    public long? Total { get; init; }

    public string? Unit { get; init; }

    public long? Rows { get; init; }

    public string? Error { get; init; }

    public string? Result { get; init; }

    public int? Pid { get; init; }

    public DateTime? BackendStart { get; init; }

    /// <summary>Number of the first of <see cref="Lines"/>.</summary>
    public long? First { get; init; }

    public SpoolLine[]? Lines { get; init; }
}

/// <summary>One captured log line.</summary>
internal sealed record SpoolLine(DateTime At, bool ServerTime, Guid? Step, long? StepId, short Level, string? Category, string Message);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SpoolHeader))]
[JsonSerializable(typeof(SpoolRecord))]
internal sealed partial class SpoolJson : JsonSerializerContext;
