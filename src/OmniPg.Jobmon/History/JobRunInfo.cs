namespace OmniPg.Jobmon;

/// <summary>What the SDK records about a run beside the log: a row of the side schema's <c>run</c> with its <c>session</c>.</summary>
public sealed record JobRunInfo
{
    /// <summary>Name of the job as the program wrote it.</summary>
    public string? DisplayName { get; init; }

    /// <summary>Run that started this one; <see langword="null"/> for a run of its own.</summary>
    public long? ParentJobId { get; init; }

    /// <summary>Process that runs the job, as named by <see cref="JobmonOptions.ClientName"/>.</summary>
    public string? ClientName { get; init; }

    /// <summary>Host of that process.</summary>
    public string? Host { get; init; }

    /// <summary>Operating system's id of that process.</summary>
    public int? ProcessId { get; init; }

    /// <summary>Last heartbeat of that process.</summary>
    public DateTimeOffset? LastSeen { get; init; }

    /// <summary>Trace that the run belongs to, 32 hex digits.</summary>
    public string? TraceId { get; init; }

    /// <summary>Span of the run, 16 hex digits.</summary>
    public string? SpanId { get; init; }

    /// <summary>Backend of the work connection that the program attached.</summary>
    public int? WorkPid { get; init; }

    /// <summary>Tags of the run; empty when it has none.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Parameters of the run as JSON text.</summary>
    public string? Arguments { get; init; }

    /// <summary>Result values of the run as JSON text.</summary>
    public string? Result { get; init; }

    /// <summary>The failure as JSON text: type, message, SQLSTATE and the rest.</summary>
    public string? Error { get; init; }

    /// <summary>When cancellation was asked for; <see langword="null"/> when it was not.</summary>
    public DateTimeOffset? CancelRequestedAt { get; init; }

    /// <summary>Who asked for cancellation.</summary>
    public string? CancelRequestedBy { get; init; }

    /// <summary>When the run was declared dead and closed; <see langword="null"/> when it was not.</summary>
    public DateTimeOffset? ReapedAt { get; init; }
}
