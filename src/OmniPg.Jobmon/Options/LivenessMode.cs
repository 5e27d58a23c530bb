namespace OmniPg.Jobmon;

/// <summary>How other processes can tell that this one is alive.</summary>
public enum LivenessMode
{
    /// <summary>A session advisory lock beside the heartbeat, or the heartbeat alone when a pooler stands between: the server's backend is another one than the driver was told of.</summary>
    Auto,

    /// <summary>Session advisory lock and heartbeat, whatever stands between: right for session pooling, wrong for transaction pooling.</summary>
    Lock,

    /// <summary>Heartbeat only: no session state is used, so no single-instance jobs and no immediate cancellation.</summary>
    Heartbeat,
}
