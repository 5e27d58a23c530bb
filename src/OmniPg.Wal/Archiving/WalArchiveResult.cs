using System.Collections.Immutable;

namespace OmniPg.Wal;

/// <summary>What archiving one file brought.</summary>
/// <param name="File">The file.</param>
/// <param name="RawBytes">Its size.</param>
/// <param name="Sha256">SHA-256 of its content, 64 lower-case hex digits.</param>
/// <param name="Elapsed">Time of the whole call.</param>
/// <param name="Summary">What validation learned; <see langword="null"/> when nothing was validated.</param>
/// <param name="Destinations">Every destination, in the order in which they were configured.</param>
public sealed record WalArchiveResult(
    WalFileName File, long RawBytes, string Sha256, TimeSpan Elapsed, WalSegmentSummary? Summary, ImmutableArray<WalDestinationResult> Destinations)
{
    /// <summary>Whether every required destination holds the file.</summary>
    public bool IsArchived => Destinations.All(static d => !d.IsRequired || d.Status != WalDeliveryStatus.Failed);
}
