namespace OmniPg.Wal;

/// <summary>A named restore point (<c>pg_create_restore_point</c>).</summary>
/// <param name="Name">Its name; bytes that are no UTF-8 are shown as U+FFFD.</param>
/// <param name="Time">When it was made by the server's clock (UTC, microseconds).</param>
public sealed record WalRestorePoint(string Name, DateTimeOffset Time) : WalRecordDetail;
