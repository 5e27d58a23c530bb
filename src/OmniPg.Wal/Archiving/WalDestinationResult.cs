namespace OmniPg.Wal;

/// <summary>What became of a file at one destination.</summary>
/// <param name="Id">Name of the destination.</param>
/// <param name="Status">What became of it.</param>
/// <param name="StoredBytes">Bytes written by this call; 0 when none were.</param>
/// <param name="Elapsed">Time from the first byte to the durable copy, or to the failure.</param>
/// <param name="Error">Why it failed; <see langword="null"/> unless <paramref name="Status"/> is <see cref="WalDeliveryStatus.Failed"/>.</param>
/// <param name="IsRequired">Whether the file counts as archived only when this destination holds it.</param>
public sealed record WalDestinationResult(
    string Id, WalDeliveryStatus Status, long StoredBytes, TimeSpan Elapsed, WalException? Error, bool IsRequired);
