using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>What a <see cref="WalReceiver"/> is doing right now.</summary>
public enum WalReceiverState
{
    /// <summary>It does not run, or has ended.</summary>
    Stopped,

    /// <summary>It connects, or looks where to go on.</summary>
    Connecting,

    /// <summary>WAL flows.</summary>
    Streaming,

    /// <summary>Something failed that may pass; it waits before another try.</summary>
    Waiting,
}

/// <summary>How far a <see cref="WalReceiver"/> is.</summary>
/// <param name="State">What it is doing.</param>
/// <param name="Timeline">Timeline that is received; 0 before the first connection.</param>
/// <param name="Received">End of what was written; <see cref="NpgsqlLogSequenceNumber.Invalid"/> before anything was.</param>
/// <param name="Flushed">End of what is on disk and was confirmed to the server.</param>
/// <param name="ServerEnd">End of the WAL of the server as it last said.</param>
/// <param name="WaitingFiles">Complete files that the destinations do not hold yet.</param>
/// <param name="LastError">Why it waits; <see langword="null"/> while nothing is wrong.</param>
public sealed record WalReceiverStatus(
    WalReceiverState State,
    uint Timeline,
    NpgsqlLogSequenceNumber Received,
    NpgsqlLogSequenceNumber Flushed,
    NpgsqlLogSequenceNumber ServerEnd,
    int WaitingFiles,
    Exception? LastError)
{
    /// <summary>Bytes of WAL that the server has and the disk of the receiver does not; 0 when that is not known yet.</summary>
    public long LagBytes => Flushed == NpgsqlLogSequenceNumber.Invalid || ServerEnd < Flushed ? 0 : (long)((ulong)ServerEnd - (ulong)Flushed);
}
