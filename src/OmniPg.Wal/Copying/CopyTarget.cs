namespace OmniPg.Wal;

/// <summary>One place that a copy goes to.</summary>
internal sealed record CopyTarget
{
    public required IObjectSink Sink { get; init; }

    public required string Key { get; init; }

    public required Codec Codec { get; init; }

    public int? Level { get; init; }

    /// <summary>Name of the destination in errors.</summary>
    public required string Id { get; init; }

    /// <summary>Called when the content is known to be good and this target has all of it, right before it is published; an exception fails this target alone.</summary>
    public Func<CancellationToken, Task>? BeforeCommit { get; init; }

    /// <summary>How long this target may take from its first byte to its durable end.</summary>
    public TimeSpan Timeout { get; init; } = System.Threading.Timeout.InfiniteTimeSpan;

    /// <summary>For an optional target: how long it may go without progress while it holds up the others. Null: it may hold them up.</summary>
    public TimeSpan? Grace { get; init; }
}
