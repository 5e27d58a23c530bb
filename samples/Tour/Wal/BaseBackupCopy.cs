using System.Diagnostics;
using Npgsql;
using OmniPg.Testing;

namespace Tour.Wal;

/// <summary>The simplest base backup there is: tell the server, copy its files, tell the server again.</summary>
internal static class BaseBackupCopy
{
    public static async Task TakeAsync(PgCluster server, string target, CancellationToken cancellationToken)
    {
        // Start and stop belong to one session; when it is lost the server drops the backup.
        await using var session = await server.DataSource.OpenConnectionAsync(cancellationToken);
        await using (var start = new NpgsqlCommand(
            server.MajorVersion < 15 ? "SELECT pg_start_backup('tour', true, false)" : "SELECT pg_backup_start('tour', true)", session))
            await start.ExecuteNonQueryAsync(cancellationToken);
        using (var copy = Process.Start("cp", ["-a", server.DataDirectory, target]))
            await copy.WaitForExitAsync(cancellationToken);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(target, "pg_wal"), "*", SearchOption.AllDirectories))
            File.Delete(file);
        File.Delete(Path.Combine(target, "postmaster.pid"));
        await using var stop = new NpgsqlCommand(
            server.MajorVersion < 15 ? "SELECT labelfile FROM pg_stop_backup(false, true)" : "SELECT labelfile FROM pg_backup_stop(true)", session);
        await File.WriteAllTextAsync(Path.Combine(target, "backup_label"), (string)(await stop.ExecuteScalarAsync(cancellationToken))!, cancellationToken);
    }
}
