namespace OmniPg.Wal;

/// <summary>One file to copy.</summary>
internal sealed record CopyRequest
{
    public required ICopySource Source { get; init; }

    public required IReadOnlyList<CopyTarget> Targets { get; init; }

    /// <summary>Checks the content; null checks nothing. Used up by the copy.</summary>
    public WalSegmentValidator? Validator { get; init; }

    /// <summary>Whether the outcome needs the SHA-256 of the content; without it the text is empty and half a core is saved.</summary>
    public bool NeedsSha256 { get; init; } = true;

    /// <summary>Has the last word when the content is known and found valid; an exception publishes nothing anywhere.</summary>
    public Func<ObjectContent, CancellationToken, Task>? BeforePublish { get; init; }

    /// <summary>Called after each buffer with the bytes read so far.</summary>
    public Action<long>? OnRead { get; init; }
}
