using System.Diagnostics;
using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Recovery;

/// <summary>A plain file-level base backup: <c>pg_backup_start</c>, a copy of the data directory without WAL, <c>pg_backup_stop</c>.</summary>
internal static class FileBackup
{
    public static async Task TakeAsync(PgCluster cluster, string target, CancellationToken cancellationToken)
    {
        await using var session = await cluster.DataSource.OpenConnectionAsync(cancellationToken);
        var old = cluster.MajorVersion < 15;
        await ExecuteAsync(session, old ? "SELECT pg_start_backup('test', true, false)" : "SELECT pg_backup_start('test', true)", cancellationToken);
        await RunAsync("cp", ["-a", cluster.DataDirectory, target], cancellationToken);
        foreach (var file in Directory.EnumerateFiles(Path.Combine(target, "pg_wal")))
            File.Delete(file);
        foreach (var file in (string[])["postmaster.pid", "postmaster.opts"])
            File.Delete(Path.Combine(target, file));
        foreach (var file in Directory.EnumerateFiles(Path.Combine(target, "pg_wal", "archive_status")))
            File.Delete(file);
        await using var stop = new NpgsqlCommand(
            old ? "SELECT labelfile, spcmapfile FROM pg_stop_backup(false, true)" : "SELECT labelfile, spcmapfile FROM pg_backup_stop(true)", session);
        await using var reader = await stop.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(target, "backup_label"), reader.GetString(0), cancellationToken);
        ServerAccount.Own(target);
    }

    /// <summary>A fresh copy of a backup, set up for recovery.</summary>
    public static async Task<string> UnpackAsync(string backup, string parent, string signal, CancellationToken cancellationToken)
    {
        var target = Path.Combine(parent, "restored-" + Path.GetRandomFileName());
        await RunAsync("cp", ["-a", backup, target], cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(target, signal), "", cancellationToken);
        ServerAccount.Own(target);
        return target;
    }

    private static async Task ExecuteAsync(NpgsqlConnection session, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task RunAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync(cancellationToken);
        // A server at work changes and removes files below the copy; what matters of them is in the WAL.
        if (process.ExitCode > 1)
            throw new InvalidOperationException($"{program} ended with {process.ExitCode}.");
    }
}
