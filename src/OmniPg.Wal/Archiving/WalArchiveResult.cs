namespace OmniPg.Wal;

/// <summary>What archiving one file brought.</summary>
/// <param name="File">The file.</param>
/// <param name="RawBytes">Its size.</param>
/// <param name="Xxh128">XXH128 of its content, 32 lower-case hex digits as <c>xxhsum -H128</c> prints them.</param>
/// <param name="Elapsed">Time of the whole call.</param>
/// <param name="Summary">What validation learned; <see langword="null"/> when nothing was validated.</param>
/// <param name="Destinations">Every destination, in the order in which they were configured.</param>
public sealed record WalArchiveResult(
    WalFileName File, long RawBytes, string Xxh128, TimeSpan Elapsed, WalValidationResult? Summary, IReadOnlyList<WalDestinationResult> Destinations)
{
    /// <summary>Whether every required destination holds the file.</summary>
    public bool IsArchived => !IsDropped && Destinations.All(static d => !d.IsRequired || d.Status != WalDeliveryStatus.Failed);

    /// <summary>Whether the file was given up because too much waited (<see cref="WalArchiveOptions.QueueLimit"/>): the server goes on, and no destination holds it.</summary>
    public bool IsDropped { get; init; }
}

/// <summary>How far the archiving of one file has come.</summary>
/// <param name="File">The file.</param>
/// <param name="BytesRead">Bytes read so far.</param>
/// <param name="TotalBytes">Size of the file.</param>
public readonly record struct WalProgress(WalFileName File, long BytesRead, long TotalBytes);

/// <summary>What became of a file at one destination.</summary>
/// <param name="Id">Name of the destination.</param>
/// <param name="Status">What became of it.</param>
/// <param name="StoredBytes">Bytes written by this call; 0 when none were.</param>
/// <param name="Elapsed">Time from the first byte to the durable copy, or to the failure.</param>
/// <param name="Error">Why it failed; <see langword="null"/> unless <paramref name="Status"/> is <see cref="WalDeliveryStatus.Failed"/>.</param>
/// <param name="IsRequired">Whether the file counts as archived only when this destination holds it.</param>
public sealed record WalDestinationResult(
    string Id, WalDeliveryStatus Status, long StoredBytes, TimeSpan Elapsed, WalException? Error, bool IsRequired)
{
    /// <summary>SHA-256 of the bytes that this call stored, 64 lower-case hex digits as <c>sha256sum</c> prints them; <see langword="null"/> when it stored none. Before encryption where the store encrypts.</summary>
    public string? StoredSha256 { get; init; }
}

/// <summary>What became of a file at one destination.</summary>
public enum WalDeliveryStatus
{
    /// <summary>Written by this call and durable.</summary>
    Stored,

    /// <summary>The destination held a copy of equal content already; it was read and compared, not written.</summary>
    AlreadyPresent,

    /// <summary>The delivery state says that an earlier call stored it.</summary>
    SkippedDone,

    /// <summary>The destination's directory does not exist, and it is used only when it does.</summary>
    SkippedAbsent,

    /// <summary>The destination does not hold the file; <see cref="WalDestinationResult.Error"/> says why.</summary>
    Failed,
}
