namespace OmniPg.Wal.ArchiveModule;

/// <summary>The module's settings in postgresql.conf, as they are now.</summary>
internal static unsafe class Settings
{
    private static nint* _socket;
    private static int* _timeout;
    private static int* _shutdownTimeout;

    /// <summary>Unix socket of the resident process; empty: not configured.</summary>
    public static string Socket => Server.Text(*_socket);

    /// <summary>How long an answer is waited for.</summary>
    public static TimeSpan Timeout => TimeSpan.FromSeconds(*_timeout);

    /// <summary>How long it is waited for once the server is being stopped.</summary>
    public static TimeSpan ShutdownTimeout => TimeSpan.FromSeconds(*_shutdownTimeout);

    /// <summary>Makes them known to the server; what stands in postgresql.conf is their value at once.</summary>
    public static void Define()
    {
        _socket = Server.DefineText("omnipg_archive.socket"u8, "Unix socket of omnipg-wal resident."u8);
        _timeout = Server.DefineSeconds("omnipg_archive.timeout"u8, "How long omnipg-wal resident may take for a file."u8, 600);
        _shutdownTimeout = Server.DefineSeconds("omnipg_archive.shutdown_timeout"u8, "How long it may take for a file while the server is being stopped."u8, 10);
        Server.ReservePrefix("omnipg_archive");
    }
}
