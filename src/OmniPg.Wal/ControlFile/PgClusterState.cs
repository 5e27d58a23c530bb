namespace OmniPg.Wal;

/// <summary>State of a cluster as recorded in <c>pg_control</c> (<c>DBState</c>).</summary>
public enum PgClusterState
{
    /// <summary>Starting up.</summary>
    StartingUp = 0,

    /// <summary>Shut down cleanly.</summary>
    ShutDown = 1,

    /// <summary>Shut down cleanly while in recovery (a standby).</summary>
    ShutDownInRecovery = 2,

    /// <summary>Shutting down.</summary>
    ShuttingDown = 3,

    /// <summary>In recovery after a crash.</summary>
    InCrashRecovery = 4,

    /// <summary>In archive recovery, or running as a standby.</summary>
    InArchiveRecovery = 5,

    /// <summary>Running as a primary; also what a crash leaves behind.</summary>
    InProduction = 6,
}
