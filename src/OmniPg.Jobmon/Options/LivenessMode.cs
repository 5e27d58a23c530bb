namespace OmniPg.Jobmon;

/// <summary>How other processes can tell that this one is alive.</summary>
public enum LivenessMode
{
    /// <summary>A session advisory lock beside the heartbeat, or the heartbeat alone when a transaction pooler stands between.</summary>
    Auto,

    /// <summary>Session advisory lock and heartbeat.</summary>
    Lock,

    /// <summary>Heartbeat only: no session state is used, so no single-instance jobs and no immediate cancellation.</summary>
    Heartbeat,
}
