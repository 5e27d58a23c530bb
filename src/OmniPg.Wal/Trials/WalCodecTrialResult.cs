namespace OmniPg.Wal;

/// <summary>How one codec did on one's own WAL.</summary>
/// <param name="Codec">Name of the codec, with its level behind a colon when one was given.</param>
/// <param name="Segments">Segments copied.</param>
/// <param name="RawBytes">Bytes read.</param>
/// <param name="StoredBytes">Bytes that a destination would have got.</param>
/// <param name="Elapsed">Time of the whole copying, validation included, without any disk.</param>
/// <param name="AllocatedBytes">Managed memory allocated meanwhile.</param>
/// <param name="PeakBytes">Memory of the whole process afterwards, native memory included.</param>
public sealed record WalCodecTrialResult(
    string Codec, int Segments, long RawBytes, long StoredBytes, TimeSpan Elapsed, long AllocatedBytes, long PeakBytes)
{
    /// <summary>Raw bytes for each stored byte.</summary>
    public double Ratio => StoredBytes == 0 ? 0 : (double)RawBytes / StoredBytes;

    /// <summary>Raw MiB per second.</summary>
    public double MebibytesPerSecond => RawBytes / Math.Max(Elapsed.TotalSeconds, 1e-9) / (1 << 20);
}
