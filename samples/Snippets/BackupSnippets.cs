using System.Globalization;
using Npgsql;
using OmniPg;
using OmniPg.Wal;

namespace Snippets;

/// <summary>The code blocks of docs/backup.md.</summary>
internal static class BackupSnippets
{
    public static async Task BackUpAndRestoreAsync()
    {
        #region backup-restore
        await using var server = NpgsqlDataSource.Create("Host=/run/postgresql;Username=postgres");
        var store = new DirectoryObjectStore("/mnt/backup/base");
        var archive = new DirectoryObjectStore("/mnt/archive");

        BaseBackupResult made = await new BaseBackup(server, store, archive).RunAsync();
        Console.WriteLine($"{made.Backup}: {made.Files} files");

        var options = new BackupRestoreOptions
        {
            Target = RecoveryTarget.Time(DateTimeOffset.Parse("2026-05-01T12:00:00+02:00", CultureInfo.InvariantCulture)),
            RestoreCommand = "omnipg-wal restore --source /mnt/archive \"%f\" \"%p\"",
        };
        await new BackupRestore(store, options).RunAsync("/srv/restored");
        #endregion
    }

    public static async Task CopyToStandbysAsync()
    {
        #region cluster-copy
        await using var server = NpgsqlDataSource.Create("Host=/run/postgresql;Username=postgres");
        var copy = new ClusterCopy(server, new ClusterCopyOptions { Targets = ["standby1:/srv/pg/main", "standby2:/srv/pg/main"] });

        ClusterCopyPlan plan = await copy.PlanAsync();
        Console.WriteLine(plan);
        await copy.ExecuteAsync(plan);
        #endregion
    }
}
