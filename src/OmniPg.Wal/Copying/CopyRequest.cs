namespace OmniPg.Wal;

/// <summary>One file to copy.</summary>
internal sealed record CopyRequest
{
    public required ICopySource Source { get; init; }

    public required IReadOnlyList<CopyTarget> Targets { get; init; }

    /// <summary>Checks the content; null checks nothing. Used up by the copy.</summary>
    public WalSegmentValidator? Validator { get; init; }

    /// <summary>Whether the outcome needs the hashes of content and copies; without them the texts are empty.</summary>
    public bool NeedsHashes { get; init; } = true;

    /// <summary>Whether the outcome needs the SHA-256 of the content, too, whatever it is stored as.</summary>
    public bool NeedsSha256 { get; init; }

    /// <summary>Has the last word when the content is known and found valid; an exception publishes nothing anywhere.</summary>
    public Func<ObjectContent, CancellationToken, Task>? BeforePublish { get; init; }

    /// <summary>Called after each buffer with the bytes read so far.</summary>
    public Action<long>? OnRead { get; init; }
}

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
