namespace OmniPg.Testing;

/// <summary>How a server is asked to stop (manual, "Shutting Down the Server").</summary>
public enum PgShutdown
{
    /// <summary>SIGINT: disconnect everybody, roll back, write a checkpoint.</summary>
    Fast,

    /// <summary>SIGQUIT: exit at once; the next start recovers from the WAL.</summary>
    Immediate,
}

/// <summary>The signals of <see cref="PgShutdown"/>.</summary>
internal static class PgShutdownSignal
{
    public const int Fast = 2;
    public const int Immediate = 3;
}
